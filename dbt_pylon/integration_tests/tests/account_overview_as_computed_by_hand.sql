{{ rows_that_differ(ref('pylon__account_overview'), ref('expected_account_overview')) }}
