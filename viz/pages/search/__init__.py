"""The Search page: ``search_page.page`` puts its parts together."""
