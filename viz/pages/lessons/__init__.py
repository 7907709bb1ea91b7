"""The Lessons page: ``lessons_page.page`` draws it."""
