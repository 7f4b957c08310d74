{{ pylon.stage(['issue_statuses'], [
    ('slug', 'text', 'slug'),
    ('label', 'text', 'label'),
    ('category', 'text', 'category'),
], key=['slug']) }}
