"""Actors and directors that people ask for, the directors also by a film of theirs."""

from collections.abc import Callable

from embedding_studio.demo.catalog import Film
from embedding_studio.demo.facts import Fact, Word

__all__ = ["ACTORS", "DIRECTORS"]

_ACTORS = (
    "Al Pacino, Anthony Hopkins, Arnold Schwarzenegger, Audrey Hepburn, Bill Murray, Brad Pitt, Bruce Willis, "
    "Burt Lancaster, Catherine Deneuve, Charles Bronson, Christopher Lee, Christopher Walken, Clint Eastwood, "
    "Danny Trejo, Denzel Washington, Diane Keaton, Dustin Hoffman, Eddie Murphy, Elizabeth Taylor, "
    "Gene Hackman, Gérard Depardieu, Gregory Peck, Harrison Ford, Henry Fonda, Isabelle Huppert, Jack Lemmon, "
    "Jack Nicholson, Jackie Chan, James Stewart, Jim Carrey, John Cusack, John Wayne, Johnny Depp, "
    "Julia Roberts, Julianne Moore, Kirk Douglas, Marcello Mastroianni, Meg Ryan, Meryl Streep, "
    "Michael Caine, Morgan Freeman, Nicolas Cage, Nicole Kidman, Paul Newman, Peter Sellers, Robert De Niro, "
    "Robin Williams, Samuel L. Jackson, Sean Connery, Shirley MacLaine, Sigourney Weaver, Sophia Loren, "
    "Steve Buscemi, Steve Martin, Susan Sarandon, Sylvester Stallone, Tom Cruise, Tom Hanks, Toshirō Mifune, "
    "Vincent Price, Walter Matthau, Whoopi Goldberg, Will Smith, Willem Dafoe, Woody Harrelson"
)
_FILMS_BY_DIRECTOR = {
    "Akira Kurosawa": "Seven Samurai",
    "Alfred Hitchcock": "Rear Window",
    "Billy Wilder": "Some Like It Hot",
    "Brian De Palma": "The Untouchables",
    "Claude Chabrol": "La Cérémonie",
    "Dario Argento": "Suspiria",
    "David Cronenberg": "Videodrome",
    "David Lean": "Lawrence of Arabia",
    "David Lynch": "Mulholland Drive",
    "Federico Fellini": "La Dolce Vita",
    "Francis Ford Coppola": "The Godfather",
    "François Truffaut": "The 400 Blows",
    "George A. Romero": "Land of the Dead",
    "Ingmar Bergman": "The Seventh Seal",
    "James Cameron": "The Terminator",
    "Jim Jarmusch": "Dead Man",
    "Joe Dante": "Gremlins",
    "John Carpenter": "They Live",
    "John Woo": "Hard Boiled",
    "Ken Loach": "Kes",
    "Lars von Trier": "Dogville",
    "Luc Besson": "The Fifth Element",
    "Martin Scorsese": "Taxi Driver",
    "Michael Haneke": "Amour",
    "Michael Mann": "Collateral",
    "Oliver Stone": "Platoon",
    "Paul Verhoeven": "Starship Troopers",
    "Pedro Almodóvar": "Volver",
    "Peter Jackson": "Braindead",
    "Quentin Tarantino": "Pulp Fiction",
    "Richard Linklater": "Boyhood",
    "Ridley Scott": "Blade Runner",
    "Rob Reiner": "The Princess Bride",
    "Robert Zemeckis": "Forrest Gump",
    "Roman Polanski": "Chinatown",
    "Ron Howard": "Apollo 13",
    "Sam Raimi": "Drag Me to Hell",
    "Sidney Lumet": "Dog Day Afternoon",
    "Spike Lee": "Do the Right Thing",
    "Stanley Kubrick": "A Clockwork Orange",
    "Steven Spielberg": "Jaws",
    "Takashi Miike": "Audition",
    "Terry Gilliam": "Time Bandits",
    "Tim Burton": "Beetlejuice",
    "Tony Scott": "Top Gun",
    "Wes Craven": "Scream",
    "Woody Allen": "Annie Hall",
    "Zhang Yimou": "Raise the Red Lantern",
}


def _actor(name: str) -> Fact:
    words = (
        Word(f"with {name}", "after"),
        Word(f"starring {name}", "after"),
        Word(name, "before"),
        Word(f"featuring {name}", "after", held_out=True),
    )
    return Fact(f"with {name}", _plays_in(name), words)


def _director(name: str, film: str) -> Fact:
    words = (
        Word(f"by the director of {film}", "after"),
        Word(f"by {name}", "after"),
        Word(f"something by the director of {film}", "whole"),
        Word(f"from the filmmaker behind {film}", "after", held_out=True),
    )
    return Fact(f"by {name}", _directs(name), words)


def _plays_in(name: str) -> Callable[[Film], bool]:
    return lambda film: name in film.cast


def _directs(name: str) -> Callable[[Film], bool]:
    return lambda film: name in film.directors


ACTORS = tuple(map(_actor, _ACTORS.split(", ")))
DIRECTORS = tuple(_director(name, film) for name, film in _FILMS_BY_DIRECTOR.items())
