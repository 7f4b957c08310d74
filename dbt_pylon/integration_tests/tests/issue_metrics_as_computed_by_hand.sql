{{ rows_that_differ(ref('pylon__issue_metrics'), ref('expected_issue_metrics')) }}
