{{ rows_that_differ(ref('pylon__deleted_objects'), ref('expected_deleted_objects')) }}
