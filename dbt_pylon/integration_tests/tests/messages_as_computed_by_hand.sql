{{ rows_that_differ(ref('int_pylon__messages'), ref('expected_messages')) }}
