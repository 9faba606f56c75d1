"""The product's own documentation: its pages, and answers quoted from them.

Owns: which pages there are, how they are cut, ranked and quoted.
Words: a *page* is a Markdown file, a *section* what stands below one of its headings, its *anchor* the heading's name in addresses; a
*passage* is a run of text without code in between, from which sentences are quoted; a *term* is the stem of a word that means something.
Tables: none.
Queues: none.
"""
