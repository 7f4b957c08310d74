{{ rows_that_differ(ref('pylon__survey_answers'), ref('expected_survey_answers')) }}
