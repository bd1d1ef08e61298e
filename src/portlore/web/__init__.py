"""Surface: the site, its API, votes, and the same as files. PAGES in ``site.py`` is the table of pages."""
