{#-
  Like the test `relationships`, but passes where the other table is empty: every stream of this package is optional.
-#}
{% test relationship_if_loaded(model, column_name, to, field) %}
    select children.{{ column_name }}
    from {{ model }} as children
    left join {{ to }} as parents on children.{{ column_name }} = parents.{{ field }}
    where
        children.{{ column_name }} is not null
        and parents.{{ field }} is null
        and exists (select 1 from {{ to }})
{% endtest %}
