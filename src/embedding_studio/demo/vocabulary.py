"""How people speak of films, and the fact that each of their words stands for.

The catalog says `Horror`, people say scary, creepy or spooky. A star marks a word held out of every clicked query: only
queries that nobody clicks use it, so that what is learnt about it is learnt from other words.
"""

from collections.abc import Callable

from embedding_studio.demo.catalog import Film
from embedding_studio.demo.facts import fact, words

__all__ = ["ERAS", "GENRES", "NOUNS", "PRIZES"]


def _genre(*names: str) -> Callable[[Film], bool]:
    return lambda film: all(name in film.genres for name in names)


def _years(first: int, last: int) -> Callable[[Film], bool]:
    return lambda film: first <= film.year <= last


def _noir(film: Film) -> bool:
    return film.year < _NOIR_ENDS and "Crime" in film.genres


_NOIR_ENDS = 1960

NOUNS = words("films, movies, flicks", "noun")

GENRES = (
    fact(
        "horror",
        _genre("Horror"),
        before="scary, creepy, terrifying, frightening, spooky*, blood-curdling*",
        noun="chillers, shockers*",
        after="that give you nightmares, to be afraid of, for Halloween*",
    ),
    fact(
        "comedy",
        _genre("Comedy"),
        before="funny, hilarious, goofy, laugh-out-loud, silly*, side-splitting*",
        after="that make you laugh, to giggle at*",
    ),
    fact(
        "drama",
        _genre("Drama"),
        before="serious, moving, heavy, poignant*, heart-wrenching*",
        after="about human struggles, that are no laughing matter*",
    ),
    fact(
        "romance",
        _genre("Romance"),
        before="romantic, mushy, smoochy*",
        noun="love stories, date night movies, affairs of the heart*",
        after="about falling in love, about couples, about lovers*",
    ),
    fact(
        "action",
        _genre("Action"),
        before="adrenaline-pumping, explosive, fast and furious, high-octane*",
        noun="shoot-em-ups, punch-ups*",
        after="with fights and chases, with lots of explosions, with stunts*",
    ),
    fact(
        "crime",
        _genre("Crime"),
        before="gangster, mob, cops and robbers, underworld*",
        noun="heists and hold-ups, mafia stories",
        after="about criminals, about crooks*, about lawbreakers*",
    ),
    fact(
        "thriller",
        _genre("Thriller"),
        before="suspenseful, edge-of-your-seat, tense, nail-biting*, pulse-pounding*",
        after="with lots of suspense, that keep you guessing, full of twists*",
    ),
    fact(
        "documentary",
        _genre("Documentary"),
        before="non-fiction, factual, fly-on-the-wall*",
        noun="docs, real-life reports, exposes*",
        after="about real life, without actors, that teach you something*",
    ),
    fact(
        "sci-fi",
        _genre("Sci-Fi"),
        before="futuristic, space-age, extraterrestrial*",
        noun="stories about robots and aliens, tales of tomorrow*",
        after="set in the future, about technology gone wrong, with spaceships, about androids*",
    ),
    fact(
        "fantasy",
        _genre("Fantasy"),
        before="magical, enchanted, otherworldly*",
        noun="fairy tales, make-believe",
        after="about wizards and magic, with spells and monsters, with dragons and sorcery*",
    ),
    fact(
        "adventure",
        _genre("Adventure"),
        before="swashbuckling, globe-trotting, daring*",
        noun="quests, expeditions*",
        after="about treasure hunts, about explorers, about dangerous journeys*",
    ),
    fact(
        "musical",
        _genre("Musical"),
        before="all-singing, sing-along, toe-tapping*",
        noun="song and dance shows",
        after="with songs, with singing and dancing, where everybody bursts into song*",
    ),
    fact(
        "biography",
        _genre("Biography"),
        before="true-life, larger-than-life*",
        noun="biopics, life stories, memoirs*, portraits of famous people*",
        after="about real people, about somebody's life",
    ),
    fact(
        "mystery",
        _genre("Mystery"),
        before="puzzling, enigmatic*",
        noun="whodunits, detective stories, riddles, brain-teasers*",
        after="with a secret to uncover, with clues to follow, for amateur sleuths*",
    ),
    fact(
        "war",
        _genre("War"),
        before="military, battlefield, combat, wartime*",
        noun="stories from the trenches",
        after="about soldiers, about the army, about platoons*",
    ),
    fact(
        "family",
        _genre("Family"),
        before="kid-friendly, wholesome, child-friendly*",
        after="for kids, for the whole household, for my children, for little ones*, for toddlers*",
    ),
    fact(
        "animation",
        _genre("Animation"),
        before="animated, hand-drawn, stop-motion*, cel-shaded*",
        noun="cartoons, toons*",
    ),
    fact(
        "cartoons for kids",
        _genre("Animation", "Family"),
        before="animated kid-friendly",
        noun="cartoons for kids, cartoons for children, animated bedtime stories*",
    ),
    fact(
        "western",
        _genre("Western"),
        before="cowboy, wild west, frontier, six-shooter*",
        noun="westerns, gunslinger stories, horse operas*",
        after="about outlaws and sheriffs, with saloons and stagecoaches*",
    ),
    fact(
        "sport",
        _genre("Sport"),
        before="athletic, sporty, locker-room*",
        noun="underdog team stories",
        after="about athletes, about a big game, about boxers and ball players, about champions*",
    ),
    fact(
        "history",
        _genre("History"),
        before="historical, olden-days, bygone*",
        noun="costume pieces, period pieces, epics about the past*",
        after="about events of the past, about kings and battles of long ago*",
    ),
    fact(
        "tearjerker",
        _genre("Drama", "Romance"),
        before="tear-jerking, bittersweet, weepy*",
        noun="tearjerkers, sad love stories, sob stories*",
        after="that make you cry, to weep over*",
    ),
    fact(
        "romantic comedy",
        _genre("Romance", "Comedy"),
        before="feel-good, flirty*",
        noun="romcoms, light-hearted love stories, meet-cutes*",
    ),
    fact(
        "black comedy",
        _genre("Crime", "Comedy"),
        before="funny gangster",
        noun="black comedies, capers, bumbling crook stories*",
    ),
    fact(
        "horror comedy",
        _genre("Horror", "Comedy"),
        before="scary but funny",
        noun="scary comedies, spoofs with monsters, screams and giggles*",
    ),
    fact(
        "action adventure",
        _genre("Action", "Adventure"),
        before="swashbuckling action",
        noun="action quests, popcorn blockbusters, thrill rides*",
    ),
    fact("noir", _noir, before="hard-boiled, shadowy*", noun="film noir, tales of femmes fatales*"),
)

ERAS = (
    fact("forties", _years(1940, 1949), before="forties, 40s", after="from the forties, from the big band years*"),
    fact("fifties", _years(1950, 1959), before="fifties, 50s", after="from the fifties, from the rock and roll years*"),
    fact("sixties", _years(1960, 1969), before="sixties, 60s", after="from the sixties, from the hippie years*"),
    fact("seventies", _years(1970, 1979), before="seventies, 70s", after="from the seventies, from the disco years*"),
    fact("eighties", _years(1980, 1989), before="eighties, 80s", after="from the eighties, from the Reagan years*"),
    fact("nineties", _years(1990, 1999), before="nineties, 90s", after="from the nineties, from the grunge years*"),
    fact(
        "noughties",
        _years(2000, 2009),
        before="noughties, 2000s",
        after="of the two-thousands, from the turn of the century*",
    ),
    fact("recent", _years(2010, 2019), before="recent, new", after="of the last few years, from this decade*"),
    fact("old", _years(1940, 1959), before="old, golden age, vintage*, antique*", after="my grandparents watched*"),
)

PRIZES = (
    fact(
        "oscar",
        lambda film: film.oscars > 0,
        before="prize-winning, Oscar-winning, decorated*",
        after="that won an Academy Award, with trophies*",
    ),
)
