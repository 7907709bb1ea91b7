"""The States page: ``states_page.page`` puts its parts together."""
