"""The Language page: ``language_page.page`` puts its parts together."""
