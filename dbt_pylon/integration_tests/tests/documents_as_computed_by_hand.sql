{{ rows_that_differ(ref('pylon__documents'), ref('expected_documents')) }}
