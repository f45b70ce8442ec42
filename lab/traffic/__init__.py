"""The application in miniature, which works on the sample tables while a migration runs.

`schema` says which statements fit a revision, `application` sends them, `ledger` keeps what was
committed and asks for it afterwards, `drive` keeps a rate and takes the times. `python -m
lab.traffic` runs each revision of the chain under it, up and down.
"""
