"""A recording as one HTML file that opens without a network connection.

`contents.py` collects what is shown, `figures.py` draws it with Bokeh, `page.py` puts both and `page.js` into one file.
"""

from brianconv.report.page import write_report as write_report
