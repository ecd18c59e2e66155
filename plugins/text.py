"""Any record: its title, name, description, text and content where present, else all of its strings."""

from embedding_studio.sdk import EmbeddingPlugin, FieldsText

plugin = EmbeddingPlugin(
    name="text",
    text=FieldsText(("title", "name", "description", "text", "content")),
)
