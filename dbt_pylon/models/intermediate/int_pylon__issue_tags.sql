-- One row per issue that has tags, with all of them in one text.
select
    issues.issue_id,
    {{ pylon.joined(pylon.json_scalar(pylon.element('tag')), "', '", pylon.json_scalar(pylon.element('tag'))) }} as tags
from {{ ref('stg_pylon__issues') }} as issues
{{ pylon.unnest_array('issues.tags', 'tag') }}
group by issues.issue_id
