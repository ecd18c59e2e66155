"""Where films come from, as people say it: by nationality, by city, by nickname."""

from collections.abc import Callable

from embedding_studio.demo.catalog import Film
from embedding_studio.demo.facts import fact

__all__ = ["COUNTRIES"]


def _country(*names: str) -> Callable[[Film], bool]:
    return lambda film: any(name in film.countries for name in names)


_NORDIC = ("Sweden", "Denmark", "Norway", "Finland", "Iceland")
_LATIN = ("Mexico", "Argentina", "Brazil", "Chile", "Colombia", "Peru", "Cuba", "Venezuela", "Uruguay", "Bolivia")
_EASTERN_BLOC = ("Poland", "Czech Republic", "Czechoslovakia", "Hungary", "Romania", "Bulgaria", "Slovakia")

COUNTRIES = (
    fact("korea", _country("South Korea"), before="Korean, Seoul*", after="from Korea, from Busan*"),
    fact("japan", _country("Japan"), before="Japanese, Nipponese*", after="from Japan, from Tokyo, from Osaka*"),
    fact("hong kong", _country("Hong Kong", "British Hong Kong"), before="Hong Kong, Cantonese", after="from Kowloon*"),
    fact("china", _country("People's Republic of China"), before="Chinese", after="from Beijing, from Shanghai*"),
    fact("taiwan", _country("Taiwan"), before="Taiwanese", after="from Taipei*"),
    fact("india", _country("India"), before="Indian, Bollywood, Hindi", after="from Bollywood, from Mumbai*"),
    fact("thailand", _country("Thailand"), before="Thai", after="from Bangkok*"),
    fact("france", _country("France"), before="French, Parisian, Gallic*", after="from France, from Marseille*"),
    fact("italy", _country("Italy"), before="Italian, Roman, Neapolitan*", after="from Italy, from Cinecitta*"),
    fact("spain", _country("Spain"), before="Spanish, Iberian*", after="from Spain, from Madrid*"),
    fact(
        "germany", _country("Germany", "West Germany"), before="German, Teutonic*", after="from Germany, from Berlin*"
    ),
    fact("britain", _country("United Kingdom"), before="British, English, Brit*", after="from England, from London*"),
    fact("ireland", _country("Ireland"), before="Irish, Celtic*", after="from Ireland, from Dublin*"),
    fact("australia", _country("Australia"), before="Australian, Aussie*", after="from Down Under, from Sydney*"),
    fact("new zealand", _country("New Zealand"), before="New Zealand, Kiwi*", after="from Wellington*"),
    fact("canada", _country("Canada"), before="Canadian", after="from Canada, from Toronto, from Quebec*"),
    fact("scandinavia", _country(*_NORDIC), before="Scandinavian, Nordic*", after="from the far north of Europe"),
    fact("sweden", _country("Sweden"), before="Swedish", after="from Stockholm, from Gothenburg*"),
    fact("denmark", _country("Denmark"), before="Danish", after="from Copenhagen*"),
    fact("norway", _country("Norway"), before="Norwegian", after="from the land of fjords, from Oslo*"),
    fact("iceland", _country("Iceland"), before="Icelandic", after="from Reykjavik*"),
    fact("finland", _country("Finland"), before="Finnish", after="from Helsinki*"),
    fact("russia", _country("Russia", "Soviet Union"), before="Russian, Soviet", after="from Moscow, from Leningrad*"),
    fact("poland", _country("Poland"), before="Polish", after="from Warsaw, from Krakow*"),
    fact("czech", _country("Czech Republic", "Czechoslovakia"), before="Czech, Bohemian*", after="from Prague"),
    fact("hungary", _country("Hungary"), before="Hungarian, Magyar*", after="from Budapest"),
    fact("romania", _country("Romania"), before="Romanian", after="from Bucharest*"),
    fact("eastern bloc", _country(*_EASTERN_BLOC), before="Eastern European", after="from behind the Iron Curtain"),
    fact("austria", _country("Austria"), before="Austrian, Viennese*", after="from the Alps of Austria"),
    fact("switzerland", _country("Switzerland"), before="Swiss", after="from Zurich*"),
    fact("netherlands", _country("Netherlands"), before="Dutch", after="from Holland, from Amsterdam*"),
    fact("belgium", _country("Belgium"), before="Belgian, Flemish*", after="from Brussels"),
    fact("portugal", _country("Portugal"), before="Portuguese", after="from Lisbon*"),
    fact("greece", _country("Greece"), before="Greek, Hellenic*", after="from Athens"),
    fact("israel", _country("Israel"), before="Israeli", after="from Tel Aviv, from Haifa*"),
    fact("iran", _country("Iran"), before="Iranian, Persian", after="from Tehran*"),
    fact("turkey", _country("Turkey"), before="Turkish", after="from Istanbul, from Ankara*"),
    fact("south africa", _country("South Africa"), before="South African", after="from Johannesburg*"),
    fact("latin america", _country(*_LATIN), before="Latin American, Latino*", after="from south of the border"),
    fact("mexico", _country("Mexico"), before="Mexican", after="from Mexico, from Guadalajara*"),
    fact("brazil", _country("Brazil"), before="Brazilian", after="from Rio, from Sao Paulo*"),
    fact("argentina", _country("Argentina"), before="Argentine", after="from Buenos Aires, from Patagonia*"),
)
