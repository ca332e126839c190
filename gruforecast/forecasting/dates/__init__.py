"""How stamps go on: frequencies, working days and their holidays, calendars."""
