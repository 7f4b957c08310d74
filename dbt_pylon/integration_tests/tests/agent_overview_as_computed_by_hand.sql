{{ rows_that_differ(ref('pylon__agent_overview'), ref('expected_agent_overview')) }}
