"""The application in miniature, which works on the sample tables while a migration runs.

`schema` says which statements fit a revision, `application` sends them, `ledger` keeps what was
committed and asks for it afterwards, `drive` keeps a rate and takes the times. `chain` runs each
revision under it, up and down: `make traffic`.
"""
