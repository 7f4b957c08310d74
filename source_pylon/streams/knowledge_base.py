"""Knowledge bases with their articles and collections, readers' feedback on articles, and training data.

`GET /knowledge-bases`, below each `/articles` and `/collections`, which do not say to which one they belong;
`GET /article-feedback`, `GET /training-data`.
"""

from typing import Any

from source_pylon.api.endpoints import get_all, get_paginated
from source_pylon.extraction.list import ListStream
from source_pylon.extraction.stream import Record
from source_pylon.extraction.substream import SubStream
from source_pylon.streams.records import Actor, RecordModel, Timestamp, added, field, key
from source_pylon.transform.columns import plain_text


class KnowledgeBase(RecordModel):
    id: str = key("The ID of the knowledge base.")
    active_theme_id: str | None = field("The ID of the theme in use; null where it is one of Pylon's own themes.")
    default_language: str | None = field("The default language of the knowledge base.")
    slug: str | None = field("The slug of the knowledge base.")
    supported_languages: list[str] | None = field("The list of supported languages for the knowledge base.")
    title: str | None = field("The title of the knowledge base.")


class ArticleTag(RecordModel):
    hex_color: str | None = field("The tag's color as a hex code.")
    id: str | None = field("The ID of the tag.")
    object_type: str | None = field("The type of object that the tag is for: account, article, issue or another.")
    value: str | None = field("The tag's text.")


class ArticleApprovalInfo(RecordModel):
    requested_at: Timestamp | None = field("When a review was requested; null if none was.")
    reviewed_at: Timestamp | None = field("When the current decision was made; null if none was.")
    reviewed_by_user_id: str | None = field("The user who made the current decision; null if none was made.")
    status: str | None = field("The status of the review: needs_review, changes_requested, approved, or a newer one.")


class ArticleVisibilityConfig(RecordModel):
    ai_agent_access: str | None = field("Which AI agents may use it: inherit, none, specific_agents or another.")
    allowed_agent_ids: list[str] | None = field("The AI agents, where ai_agent_access is specific_agents.")
    customer_visibility_condition: dict[str, Any] | None = field("The filter that a customer must match.")
    visibility: str | None = field("Who may see the article: public, customer, internal_only, or a newer value.")


class Article(RecordModel):
    id: str = key("The ID of the article.")
    approval_info: ArticleApprovalInfo | None = field("The state of the article's review.")
    author_user_id: str | None = field("The ID of the user who authored the article.")
    collection_id: str | None = field("The ID of the collection this article belongs to, if any.")
    created_at: Timestamp | None = field("The time the article was created.")
    current_draft_content_html: str | None = field("The latest draft in HTML; it may differ from what is published.")
    current_published_content_html: str | None = field("The current published content of the article in HTML.")
    identifier: str | None = field("The identifier of the article within its knowledge base.")
    is_published: bool | None = field("Whether the article is published.")
    is_unlisted: bool | None = field("Whether the article can be reached by its direct link only.")
    last_edited_at: Timestamp | None = field("The time the article content was last edited.")
    last_published_at: Timestamp | None = field("When the article was last published.")
    slug: str | None = field("The slug of the article.")
    tags: list[ArticleTag] | None = field("Tags assigned to the article.")
    title: str | None = field("The title of the article.")
    url: str | None = field("The URL of the article.")
    visibility_config: ArticleVisibilityConfig | None = field("Who may see the article.")
    knowledge_base_id: str | None = added("the id of the knowledge base that holds the article.")


class CollectionVisibilityConfig(RecordModel):
    ai_agent_access: str | None = field("Which AI agents may use it: inherit, none, specific_agents or another.")
    allowed_agent_ids: list[str] | None = field("The AI agents, where ai_agent_access is specific_agents.")
    visibility: str | None = field("Who may see the collection: public, customer, internal_only, or a newer value.")


class Collection(RecordModel):
    id: str = key("The ID of the collection.")
    created_at: Timestamp | None = field("When the collection was created.")
    description: str | None = field("The description of the collection.")
    icon: str | None = field("The icon of the collection.")
    parent_collection_id: str | None = field("The ID of the parent collection.")
    slug: str | None = field("The slug of the collection.")
    title: str | None = field("The title of the collection.")
    visibility_config: CollectionVisibilityConfig | None = field("Who may see the collection.")
    knowledge_base_id: str | None = added("the id of the knowledge base that holds the collection.")


class ArticleFeedback(RecordModel):
    id: str = key("The ID of the feedback.")
    article_id: str | None = field("The ID of the article that was rated.")
    comment: str | None = field("What the reader wrote, if anything.")
    knowledge_base_id: str | None = field("The ID of the knowledge base that holds the article.")
    score: int | None = field("The rating, from 1 (very unhelpful) to 5 (very helpful).")
    submitted_at: Timestamp | None = field("When the reader gave the feedback.")
    submitter: Actor | None = field("The user or contact who gave the feedback, if known.")
    updated_at: Timestamp | None = field("When the feedback was last changed, the stream's cursor.")
    feedback_text: str | None = added("the plain text of the comment; null when there is none.")


class TrainingDataDocument(RecordModel):
    external_id: str | None = field("The file's id in the system it comes from.")
    file_name: str | None = field("The file's name.")
    file_size: int | None = field("The file's size in bytes.")
    file_type: str | None = field("The file's type.")
    id: str | None = field("The id of the document.")
    s3_key: str | None = field("Where Pylon stores the file; not a link.")


class TrainingDataScrapeStatus(RecordModel):
    last_scraped_at: Timestamp | None = field("When the website was last read.")
    pages_scraped: int | None = field("How many pages have been read.")
    status: str | None = field("The status of the reading.")
    total_pages: int | None = field("How many pages there are.")


class TrainingData(RecordModel):
    id: str = key("The id of the training data.")
    created_at: Timestamp | None = field("When the training data was created.")
    documents: list[TrainingDataDocument] | None = field("The files that the training data consists of.")
    exclude_from_kb_search: bool | None = field("Whether searches of the knowledge base leave it out.")
    name: str | None = field("The name of the training data.")
    scrape_status: TrainingDataScrapeStatus | None = field("For a website: the progress of reading it.")
    type: str | None = field("The kind of training data, such as documents or a website.")
    updated_at: Timestamp | None = field("When the training data was last changed.")
    visibility: str | None = field("Who may see it: everyone, user_only, ai_agent_only or another.")


class KnowledgeBases(ListStream):
    name = "knowledge_bases"
    endpoint = get_all("/knowledge-bases")
    model = KnowledgeBase


class _KnowledgeBaseStream(SubStream):
    """Objects that are listed per knowledge base, without its id."""

    parents = KnowledgeBases.endpoint

    def transform_child(self, record: Record, parent: Record) -> Record:
        return {**record, "knowledge_base_id": parent.get("id")}


class Articles(_KnowledgeBaseStream):
    name = "knowledge_base_articles"
    endpoint = get_paginated("/knowledge-bases/{id}/articles")
    model = Article


class Collections(_KnowledgeBaseStream):
    name = "knowledge_base_collections"
    endpoint = get_all("/knowledge-bases/{id}/collections")
    model = Collection


class ArticleFeedbacks(ListStream):
    """Readers' ratings of articles. Every sync reads the whole list and emits the changed ones."""

    name = "article_feedback"
    endpoint = get_paginated("/article-feedback")
    model = ArticleFeedback
    cursor_field = "updated_at"
    created_field = "submitted_at"
    checked = True

    def transform(self, record: Record) -> Record:
        return {**record, "feedback_text": plain_text(record.get("comment")) or None}


class TrainingDataSources(ListStream):
    name = "training_data"
    endpoint = get_all("/training-data")
    model = TrainingData
