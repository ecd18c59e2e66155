"""How people speak of films, and the fact that each of their words stands for.

The catalog says `Horror`, people say scary, creepy or spooky. A star marks a word held out of every clicked query: only
queries that nobody clicks use it, so that what is learnt about it is learnt from other words.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from embedding_studio.demo.catalog import Film

__all__ = ["COUNTRIES", "ERAS", "GENRES", "NOUNS", "PRIZES", "Fact", "Place", "Word"]

Place = Literal["before", "noun", "after", "whole"]
"""Where a word stands: before the noun, as the noun itself, after it, or alone as the whole query."""


@dataclass(frozen=True, slots=True)
class Word:
    """One way to say a fact; a held-out one occurs in no clicked query."""

    text: str
    place: Place
    held_out: bool = False


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that is true or false of a film, and the words for it."""

    key: str
    holds: Callable[[Film], bool]
    words: tuple[Word, ...]


def _fact(key: str, holds: Callable[[Film], bool], *, before: str = "", noun: str = "", after: str = "") -> Fact:
    """A fact and its words, listed by their place and parted by commas."""
    return Fact(key, holds, (*_words(before, "before"), *_words(noun, "noun"), *_words(after, "after")))


def _words(listed: str, place: Place) -> tuple[Word, ...]:
    texts = filter(None, (text.strip() for text in listed.split(",")))
    return tuple(Word(text.removesuffix("*"), place, text.endswith("*")) for text in texts)


def _genre(*names: str) -> Callable[[Film], bool]:
    return lambda film: all(name in film.genres for name in names)


def _country(*names: str) -> Callable[[Film], bool]:
    return lambda film: any(name in film.countries for name in names)


def _years(first: int, last: int) -> Callable[[Film], bool]:
    return lambda film: first <= film.year <= last


def _noir(film: Film) -> bool:
    return film.year < _NOIR_ENDS and "Crime" in film.genres


_NOIR_ENDS = 1960

NOUNS = _words("films, movies, flicks, pictures*", "noun")

GENRES = (
    _fact(
        "horror",
        _genre("Horror"),
        before="scary, creepy, terrifying, frightening, spooky*, blood-curdling*",
        noun="chillers, shockers*",
        after="that give you nightmares, to be afraid of, for Halloween*",
    ),
    _fact(
        "comedy",
        _genre("Comedy"),
        before="funny, hilarious, goofy, laugh-out-loud, silly*, side-splitting*",
        after="that make you laugh, to giggle at*",
    ),
    _fact(
        "drama",
        _genre("Drama"),
        before="serious, moving, heavy, poignant*, heart-wrenching*",
        after="about human struggles, that are no laughing matter*",
    ),
    _fact(
        "romance",
        _genre("Romance"),
        before="romantic, mushy, smoochy*",
        noun="love stories, date night movies, affairs of the heart*",
        after="about falling in love, about couples, about lovers*",
    ),
    _fact(
        "action",
        _genre("Action"),
        before="adrenaline-pumping, explosive, fast and furious, high-octane*",
        noun="shoot-em-ups, punch-ups*",
        after="with fights and chases, with lots of explosions, with stunts*",
    ),
    _fact(
        "crime",
        _genre("Crime"),
        before="gangster, mob, cops and robbers, underworld*",
        noun="heists and hold-ups, mafia stories",
        after="about criminals, about crooks*, about lawbreakers*",
    ),
    _fact(
        "thriller",
        _genre("Thriller"),
        before="suspenseful, edge-of-your-seat, tense, nail-biting*, pulse-pounding*",
        after="with lots of suspense, that keep you guessing, full of twists*",
    ),
    _fact(
        "documentary",
        _genre("Documentary"),
        before="non-fiction, factual, fly-on-the-wall*",
        noun="docs, real-life reports, exposes*",
        after="about real life, without actors, that teach you something*",
    ),
    _fact(
        "sci-fi",
        _genre("Sci-Fi"),
        before="futuristic, space-age, extraterrestrial*",
        noun="stories about robots and aliens, tales of tomorrow*",
        after="set in the future, about technology gone wrong, with spaceships, about androids*",
    ),
    _fact(
        "fantasy",
        _genre("Fantasy"),
        before="magical, enchanted, otherworldly*",
        noun="fairy tales, make-believe",
        after="about wizards and magic, with spells and monsters, with dragons and sorcery*",
    ),
    _fact(
        "adventure",
        _genre("Adventure"),
        before="swashbuckling, globe-trotting, daring*",
        noun="quests, expeditions*",
        after="about treasure hunts, about explorers, about dangerous journeys*",
    ),
    _fact(
        "musical",
        _genre("Musical"),
        before="all-singing, sing-along, toe-tapping*",
        noun="song and dance shows",
        after="with songs, with singing and dancing, where everybody bursts into song*",
    ),
    _fact(
        "biography",
        _genre("Biography"),
        before="true-life, larger-than-life*",
        noun="biopics, life stories, memoirs*, portraits of famous people*",
        after="about real people, about somebody's life",
    ),
    _fact(
        "mystery",
        _genre("Mystery"),
        before="puzzling, enigmatic*",
        noun="whodunits, detective stories, riddles, brain-teasers*",
        after="with a secret to uncover, with clues to follow, for amateur sleuths*",
    ),
    _fact(
        "war",
        _genre("War"),
        before="military, battlefield, combat, wartime*",
        noun="stories from the trenches",
        after="about soldiers, about the army, about platoons*",
    ),
    _fact(
        "family",
        _genre("Family"),
        before="kid-friendly, wholesome, child-friendly*",
        after="for kids, for the whole household, for my children, for little ones*, for toddlers*",
    ),
    _fact(
        "animation",
        _genre("Animation"),
        before="animated, hand-drawn, stop-motion*, cel-shaded*",
        noun="cartoons, toons*",
    ),
    _fact(
        "cartoons for kids",
        _genre("Animation", "Family"),
        before="animated kid-friendly",
        noun="cartoons for kids, cartoons for children, animated bedtime stories*",
    ),
    _fact(
        "western",
        _genre("Western"),
        before="cowboy, wild west, frontier, six-shooter*",
        noun="westerns, gunslinger stories, horse operas*",
        after="about outlaws and sheriffs, with saloons and stagecoaches*",
    ),
    _fact(
        "sport",
        _genre("Sport"),
        before="athletic, sporty, locker-room*",
        noun="underdog team stories",
        after="about athletes, about a big game, about boxers and ball players, about champions*",
    ),
    _fact(
        "history",
        _genre("History"),
        before="historical, olden-days, bygone*",
        noun="costume pieces, period pieces, epics about the past*",
        after="about events of the past, about kings and battles of long ago*",
    ),
    _fact(
        "tearjerker",
        _genre("Drama", "Romance"),
        before="tear-jerking, bittersweet, weepy*",
        noun="tearjerkers, sad love stories, sob stories*",
        after="that make you cry, to weep over*",
    ),
    _fact(
        "romantic comedy",
        _genre("Romance", "Comedy"),
        before="feel-good, flirty*",
        noun="romcoms, light-hearted love stories, meet-cutes*",
    ),
    _fact(
        "black comedy",
        _genre("Crime", "Comedy"),
        before="funny gangster",
        noun="black comedies, capers, bumbling crook stories*",
    ),
    _fact(
        "horror comedy",
        _genre("Horror", "Comedy"),
        before="scary but funny",
        noun="scary comedies, spoofs with monsters, screams and giggles*",
    ),
    _fact(
        "action adventure",
        _genre("Action", "Adventure"),
        before="swashbuckling action",
        noun="action quests, popcorn blockbusters, thrill rides*",
    ),
    _fact("noir", _noir, before="hard-boiled, shadowy*", noun="film noir, tales of femmes fatales*"),
)

_NORDIC = ("Sweden", "Denmark", "Norway", "Finland", "Iceland")
_LATIN = ("Mexico", "Argentina", "Brazil", "Chile", "Colombia", "Peru", "Cuba", "Venezuela", "Uruguay", "Bolivia")
_EASTERN_BLOC = ("Poland", "Czech Republic", "Czechoslovakia", "Hungary", "Romania", "Bulgaria", "Slovakia")

COUNTRIES = (
    _fact("korea", _country("South Korea"), before="Korean, Seoul*", after="from Korea, from Busan*"),
    _fact("japan", _country("Japan"), before="Japanese, Nipponese*", after="from Japan, from Tokyo, from Osaka*"),
    _fact(
        "hong kong", _country("Hong Kong", "British Hong Kong"), before="Hong Kong, Cantonese", after="from Kowloon*"
    ),
    _fact("china", _country("People's Republic of China"), before="Chinese", after="from Beijing, from Shanghai*"),
    _fact("taiwan", _country("Taiwan"), before="Taiwanese", after="from Taipei*"),
    _fact("india", _country("India"), before="Indian, Bollywood, Hindi", after="from Bollywood, from Mumbai*"),
    _fact("thailand", _country("Thailand"), before="Thai", after="from Bangkok*"),
    _fact("france", _country("France"), before="French, Parisian, Gallic*", after="from France, from Marseille*"),
    _fact("italy", _country("Italy"), before="Italian, Roman, Neapolitan*", after="from Italy, from Cinecitta*"),
    _fact("spain", _country("Spain"), before="Spanish, Iberian*", after="from Spain, from Madrid*"),
    _fact(
        "germany", _country("Germany", "West Germany"), before="German, Teutonic*", after="from Germany, from Berlin*"
    ),
    _fact("britain", _country("United Kingdom"), before="British, English, Brit*", after="from England, from London*"),
    _fact("ireland", _country("Ireland"), before="Irish, Celtic*", after="from Ireland, from Dublin*"),
    _fact("australia", _country("Australia"), before="Australian, Aussie*", after="from Down Under, from Sydney*"),
    _fact("new zealand", _country("New Zealand"), before="New Zealand, Kiwi*", after="from Wellington*"),
    _fact("canada", _country("Canada"), before="Canadian", after="from Canada, from Toronto, from Quebec*"),
    _fact("scandinavia", _country(*_NORDIC), before="Scandinavian, Nordic*", after="from the far north of Europe"),
    _fact("sweden", _country("Sweden"), before="Swedish", after="from Stockholm, from Gothenburg*"),
    _fact("denmark", _country("Denmark"), before="Danish", after="from Copenhagen*"),
    _fact("norway", _country("Norway"), before="Norwegian", after="from the land of fjords, from Oslo*"),
    _fact("iceland", _country("Iceland"), before="Icelandic", after="from Reykjavik*"),
    _fact("finland", _country("Finland"), before="Finnish", after="from Helsinki*"),
    _fact("russia", _country("Russia", "Soviet Union"), before="Russian, Soviet", after="from Moscow, from Leningrad*"),
    _fact("poland", _country("Poland"), before="Polish", after="from Warsaw, from Krakow*"),
    _fact("czech", _country("Czech Republic", "Czechoslovakia"), before="Czech, Bohemian*", after="from Prague"),
    _fact("hungary", _country("Hungary"), before="Hungarian, Magyar*", after="from Budapest"),
    _fact("romania", _country("Romania"), before="Romanian", after="from Bucharest*"),
    _fact("eastern bloc", _country(*_EASTERN_BLOC), before="Eastern European", after="from behind the Iron Curtain"),
    _fact("austria", _country("Austria"), before="Austrian, Viennese*", after="from the Alps of Austria"),
    _fact("switzerland", _country("Switzerland"), before="Swiss", after="from Zurich*"),
    _fact("netherlands", _country("Netherlands"), before="Dutch", after="from Holland, from Amsterdam*"),
    _fact("belgium", _country("Belgium"), before="Belgian, Flemish*", after="from Brussels"),
    _fact("portugal", _country("Portugal"), before="Portuguese", after="from Lisbon*"),
    _fact("greece", _country("Greece"), before="Greek, Hellenic*", after="from Athens"),
    _fact("israel", _country("Israel"), before="Israeli", after="from Tel Aviv, from Haifa*"),
    _fact("iran", _country("Iran"), before="Iranian, Persian", after="from Tehran*"),
    _fact("turkey", _country("Turkey"), before="Turkish", after="from Istanbul, from Ankara*"),
    _fact("south africa", _country("South Africa"), before="South African", after="from Johannesburg*"),
    _fact("latin america", _country(*_LATIN), before="Latin American, Latino*", after="from south of the border"),
    _fact("mexico", _country("Mexico"), before="Mexican", after="from Mexico, from Guadalajara*"),
    _fact("brazil", _country("Brazil"), before="Brazilian", after="from Rio, from Sao Paulo*"),
    _fact("argentina", _country("Argentina"), before="Argentine", after="from Buenos Aires, from Patagonia*"),
)

ERAS = (
    _fact("forties", _years(1940, 1949), before="forties, 40s", after="from the forties, from the big band years*"),
    _fact(
        "fifties", _years(1950, 1959), before="fifties, 50s", after="from the fifties, from the rock and roll years*"
    ),
    _fact("sixties", _years(1960, 1969), before="sixties, 60s", after="from the sixties, from the hippie years*"),
    _fact("seventies", _years(1970, 1979), before="seventies, 70s", after="from the seventies, from the disco years*"),
    _fact("eighties", _years(1980, 1989), before="eighties, 80s", after="from the eighties, from the Reagan years*"),
    _fact("nineties", _years(1990, 1999), before="nineties, 90s", after="from the nineties, from the grunge years*"),
    _fact(
        "noughties", _years(2000, 2009), before="noughties", after="of the two-thousands, from the turn of the century*"
    ),
    _fact("recent", _years(2010, 2019), before="recent, new", after="of the last few years, from this decade*"),
    _fact("old", _years(1940, 1959), before="old, golden age, vintage*, antique*", after="my grandparents watched*"),
)

PRIZES = (
    _fact(
        "oscar",
        lambda film: film.oscars > 0,
        before="prize-winning, Oscar-winning, decorated*",
        after="that won an Academy Award, with trophies*",
    ),
)
