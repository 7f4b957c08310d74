-- One row per answer of a survey response.
select
    responses.survey_response_id || ':' || cast({{ pylon.element_position('answer') }} as {{ pylon.type_of('text') }})
        as survey_answer_id,
    responses.survey_response_id,
    {{ pylon.element_position('answer') }} as answer_position,
    {{ pylon.json_text(pylon.element('answer'), 'prompt') }} as prompt,
    {{ pylon.json_text(pylon.element('answer'), 'question_type') }} as question_type,
    nullif({{ pylon.json_text(pylon.element('answer'), 'value') }}, '') as answer_text,
    {{ pylon.json_number(pylon.element('answer'), 'value') }} as answer_number,
    coalesce(scores.score_position = {{ pylon.element_position('answer') }}, false) as is_score_of_response,
    case when scores.score_position = {{ pylon.element_position('answer') }} then scores.nps_score end as nps_score,
    case when scores.score_position = {{ pylon.element_position('answer') }} then scores.nps_category end as nps_category,
    -- Their average is the Net Promoter Score.
    case
        when scores.score_position <> {{ pylon.element_position('answer') }} then null
        when scores.nps_category = 'promoter' then 100
        when scores.nps_category = 'passive' then 0
        when scores.nps_category = 'detractor' then -100
    end as nps_points,
    case when scores.score_position = {{ pylon.element_position('answer') }} then scores.csat_score end as csat_score,
    case when scores.score_position = {{ pylon.element_position('answer') }} then scores.is_csat_satisfied end
        as is_csat_satisfied,
    responses.survey_id,
    responses.survey_name,
    responses.survey_type,
    responses.submitted_at,
    {{ pylon.week_of('responses.submitted_at') }} as submitted_week,
    responses.is_excluded,
    responses.excluded_at,
    responses.issue_id,
    responses.account_id,
    accounts.account_name,
    responses.contact_id,
    contacts.email as contact_email
from {{ ref('stg_pylon__survey_responses') }} as responses
inner join {{ ref('int_pylon__survey_scores') }} as scores
    on responses.survey_response_id = scores.survey_response_id
left join {{ ref('stg_pylon__accounts') }} as accounts on responses.account_id = accounts.account_id
left join {{ ref('stg_pylon__contacts') }} as contacts on responses.contact_id = contacts.contact_id
{{ pylon.unnest_array('responses.answers', 'answer') }}
