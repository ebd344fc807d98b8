"""A world of advertisers behind the real wire protocols; imports nothing of Paceline's."""
