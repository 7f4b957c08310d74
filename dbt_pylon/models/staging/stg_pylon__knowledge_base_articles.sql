{{ pylon.stage(['knowledge_base_articles'], [
    ('id', 'text', 'article_id'),
    ('title', 'text', 'title'),
    ('url', 'text', 'url'),
], key=['id']) }}
