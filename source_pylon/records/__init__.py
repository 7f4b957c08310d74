"""Pydantic models of the records as emitted, one class per record type, in modules by the API's nouns.

Import a model from its module: nothing is imported here, so that one stream costs one module.
"""
