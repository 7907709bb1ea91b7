"""The Step page: ``step_page.page`` draws it."""
