{#- Who wrote a message, from the columns of newer versions or from the object `author`; the select list of four columns. -#}
{% macro message_author() %}
{%- set contact = pylon.json_get('author', 'contact') -%}
{%- set user = pylon.json_get('author', 'user') -%}
coalesce(author_id, {{ pylon.json_text(contact, 'id') }}, {{ pylon.json_text(user, 'id') }}) as author_id,
coalesce(author_email, {{ pylon.json_text(contact, 'email') }}, {{ pylon.json_text(user, 'email') }}) as author_email,
coalesce(author_name, {{ pylon.json_text('author', 'name') }}) as author_name,
coalesce(
    author_type,
    case
        when {{ pylon.json_text(contact, 'id') }} is not null then 'contact'
        when {{ pylon.json_text(user, 'id') }} is not null then 'user'
    end
) as author_type
{%- endmacro %}
