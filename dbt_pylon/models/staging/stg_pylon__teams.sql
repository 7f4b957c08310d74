{{ pylon.stage(['teams'], [
    ('id', 'text', 'team_id'),
    ('name', 'text', 'team_name'),
    ('users', 'json', 'users'),
], key=['id']) }}
