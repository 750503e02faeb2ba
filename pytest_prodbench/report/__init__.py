"""Evidence → pages that people read: HTML, JUnit, Markdown, terminal."""
