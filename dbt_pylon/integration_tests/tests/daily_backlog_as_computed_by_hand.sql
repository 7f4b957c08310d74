{{ rows_that_differ(ref('pylon__daily_backlog'), ref('expected_daily_backlog')) }}
