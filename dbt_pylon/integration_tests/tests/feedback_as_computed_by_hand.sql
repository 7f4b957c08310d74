{{ rows_that_differ(ref('pylon__feedback'), ref('expected_feedback')) }}
