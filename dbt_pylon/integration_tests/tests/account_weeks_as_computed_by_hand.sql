{{ rows_that_differ(ref('pylon__account_weeks'), ref('expected_account_weeks')) }}
