{{ pylon.stage(['custom_fields'], [
    ('object_type', 'text', 'object_type'),
    ('id', 'text', 'custom_field_id'),
    ('slug', 'text', 'slug'),
    ('label', 'text', 'label'),
    ('type', 'text', 'field_type'),
    ('select_metadata', 'json', 'select_metadata'),
    ('updated_at', 'timestamp', 'updated_at'),
], key=['object_type', 'id'], newest='updated_at') }}
