{{ pylon.stage(['audit_logs'], [
    ('id', 'text', 'audit_log_id'),
    ('action', 'text', 'action'),
    ('object_type', 'text', 'object_type'),
    ('object_id', 'text', 'object_id'),
    ('actor_user_id', 'text', 'actor_user_id'),
    ('actor_contact_id', 'text', 'actor_contact_id'),
    ('action_happened_at', 'timestamp', 'happened_at'),
    ('link', 'text', 'link'),
], key=['id'], newest='action_happened_at') }}
