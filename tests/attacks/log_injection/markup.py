"""Names an error so that a report in HTML, XML or Markdown would break.

says: .
clean: yes
"""


class Emitter:
    def __init__(self, call_soon):
        raise ValueError("]]></failure><script>alert(1)</script></pre>|`\n\n# 100 points\n@everyone")
