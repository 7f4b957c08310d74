{{ pylon.stage(['call_recordings'], [
    ('id', 'text', 'call_recording_id'),
    ('account_id', 'text', 'account_id'),
    ('title', 'text', 'title'),
    ('source', 'text', 'source'),
    ('start_time', 'timestamp', 'started_at'),
    ('end_time', 'timestamp', 'ended_at'),
    ('duration_ms', 'integer', 'duration_ms'),
    ('participant_emails', 'json', 'participant_emails'),
    ('url', 'text', 'url'),
    ('feedback_text', 'text', 'feedback_text'),
    ('feedback_source', 'text', 'feedback_source'),
    ('updated_at', 'timestamp', 'updated_at'),
], key=['id'], newest='updated_at') }}
