{{ pylon.stage(['account_relationships'], [
    ('id', 'text', 'account_relationship_id'),
    ('relationship_type', 'text', 'relationship_type'),
    ('parent_account_id', 'text', 'parent_account_id'),
    ('child_account_id', 'text', 'child_account_id'),
    ('created_at', 'timestamp', 'created_at'),
    ('updated_at', 'timestamp', 'updated_at'),
], key=['id'], newest='updated_at') }}
