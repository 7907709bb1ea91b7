"""Lessons: Markdown files whose views are real lenses and whose answers are computed; ``README.md`` documents the form."""
