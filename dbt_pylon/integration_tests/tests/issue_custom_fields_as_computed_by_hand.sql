{{ rows_that_differ(ref('pylon__issue_custom_fields'), ref('expected_issue_custom_fields')) }}
