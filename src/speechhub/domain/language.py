"""Languages: their codes, their English names, and other spellings that clients use.

Codes are ISO 639-1, and ISO 639-3 for the few languages that have no shorter one.
"""

from typing import Final

from speechhub.errors import InvalidLanguageError

_TABLE: Final = """
aa aar: afar
ab abk: abkhazian; abkhaz
af afr: afrikaans
ak aka: akan
am amh: amharic
an arg: aragonese
ar ara arb: arabic
as asm: assamese
av ava: avaric
ay aym: aymara
az aze azj: azerbaijani
ba bak: bashkir
be bel: belarusian
bg bul: bulgarian
bi bis: bislama
bm bam: bambara
bn ben: bengali
bo bod tib: tibetan
br bre: breton
bs bos: bosnian
ca cat: catalan; valencian
ce che: chechen
ch cha: chamorro
co cos: corsican
cr cre: cree
cs ces cze: czech
cv chv: chuvash
cy cym wel: welsh
da dan: danish
de deu ger: german
dv div: divehi; dhivehi; maldivian
dz dzo: dzongkha
ee ewe: ewe
el ell gre: greek
en eng: english
eo epo: esperanto
es spa: spanish; castilian
et est ekk: estonian
eu eus baq: basque; euskara
fa fas per pes: persian; farsi
ff ful: fulah; fula
fi fin: finnish
fj fij: fijian
fo fao: faroese
fr fra fre: french
fy fry: western frisian; frisian
ga gle: irish; gaeilge
gd gla: scottish gaelic; gaelic
gl glg: galician
gn grn: guarani
gu guj: gujarati
gv glv: manx
ha hau: hausa
he heb iw: hebrew
hi hin: hindi
ho hmo: hiri motu
hr hrv scr: croatian
ht hat: haitian creole; haitian
hu hun: hungarian
hy hye arm: armenian
hz her: herero
ia ina: interlingua
id ind in: indonesian
ie ile: interlingue; occidental
ig ibo: igbo
ii iii: sichuan yi
ik ipk: inupiaq
io ido: ido
is isl ice: icelandic
it ita: italian
iu iku: inuktitut
ja jpn: japanese
jv jav jw: javanese
ka kat geo: georgian
kg kon: kongo
ki kik: kikuyu; gikuyu
kj kua: kuanyama
kk kaz: kazakh
kl kal: kalaallisut; greenlandic
km khm: khmer; cambodian
kn kan: kannada
ko kor: korean
kr kau: kanuri
ks kas: kashmiri
ku kur kmr: kurdish
kv kom: komi
kw cor: cornish
ky kir: kyrgyz; kirghiz
la lat: latin
lb ltz: luxembourgish; letzeburgesch
lg lug: ganda; luganda
li lim: limburgish; limburgan
ln lin: lingala
lo lao: lao
lt lit: lithuanian
lu lub: luba-katanga
lv lav lvs: latvian
mg mlg plt: malagasy
mh mah: marshallese
mi mri mao: maori
mk mkd mac: macedonian
ml mal: malayalam
mn mon khk: mongolian
mr mar: marathi
ms msa may zsm: malay
mt mlt: maltese
my mya bur: myanmar; burmese
na nau: nauru
nd nde: north ndebele
ne nep npi: nepali
ng ndo: ndonga
nl nld dut: dutch; flemish
nn nno: nynorsk; norwegian nynorsk
no nor nb nob: norwegian; bokmål; norwegian bokmål
nr nbl: south ndebele
nv nav: navajo
ny nya: chichewa; nyanja
oc oci: occitan
oj oji: ojibwa
om orm gaz: oromo
or ori ory: oriya; odia
os oss: ossetian; ossetic
pa pan: punjabi; panjabi
pl pol: polish
ps pus pbt: pashto; pushto
pt por: portuguese
qu que: quechua
rm roh: romansh
rn run: rundi; kirundi
ro ron rum mo mol: romanian; moldavian; moldovan
ru rus: russian
rw kin: kinyarwanda
sa san: sanskrit
sc srd: sardinian
sd snd: sindhi
se sme: northern sami
sg sag: sango
si sin: sinhala; sinhalese
sk slk slo: slovak
sl slv: slovenian
sm smo: samoan
sn sna: shona
so som: somali
sq sqi alb als: albanian
sr srp scc: serbian
ss ssw: swati
st sot: southern sotho; sotho
su sun: sundanese
sv swe: swedish
sw swa swh: swahili
ta tam: tamil
te tel: telugu
tg tgk: tajik
th tha: thai
ti tir: tigrinya
tk tuk: turkmen
tl tgl fil: tagalog; filipino; pilipino
tn tsn: tswana
to ton: tonga; tongan
tr tur: turkish
ts tso: tsonga
tt tat: tatar
tw twi: twi
ty tah: tahitian
ug uig: uyghur; uighur
uk ukr: ukrainian
ur urd: urdu
uz uzb uzn: uzbek
ve ven: venda
vi vie: vietnamese
vo vol: volapük
wa wln: walloon
wo wol: wolof
xh xho: xhosa
yi yid ydd ji: yiddish
yo yor: yoruba
za zha: zhuang
zh zho chi cmn: chinese; mandarin; mandarin chinese
zu zul: zulu
haw: hawaiian
yue zh-yue: cantonese
ast: asturian
ceb: cebuano
"""
"""One language per line: its code, other codes for it, its English name, other names.

The first name is Whisper's if Whisper has the language, because OpenAI's `verbose_json` uses that name.
Source: ISO 639-2 and 639-3 code tables; openai/whisper `tokenizer.py`.
"""

_AUTO: Final = frozenset({"", "auto", "detect", "null", "none", "und"})
"""Values with which clients ask the engine to detect the language."""


def _read_table() -> tuple[dict[str, str], dict[str, str]]:
    names: dict[str, str] = {}
    aliases: dict[str, str] = {}
    for line in _TABLE.strip().splitlines():
        codes, _, spoken = line.partition(": ")
        code = codes.split()[0]
        names[code] = spoken.split("; ")[0]
        aliases |= dict.fromkeys([*codes.split(), *spoken.split("; ")], code)
    return names, aliases


_NAMES, _ALIASES = _read_table()

LANGUAGES: Final = tuple(_NAMES)
"""Codes of all languages that `parse_language` returns."""


def language_name(code: str) -> str:
    """Return the lower-case English name of a language, as in `verbose_json`; unknown codes unchanged."""
    return _NAMES.get(_ALIASES.get(code.lower(), code), code)


def parse_language(text: str | None) -> str | None:
    """Return the code of the language that a client named; None if the engine should detect it.

    Accepts codes (`en`, `EN`, `eng`), tags with a script or region (`en-US`, `zh_Hans_CN`) and English
    names (`English`).

    Raises:
        InvalidLanguageError: The text names no known language.
    """
    wanted = (text or "").strip().lower()
    if wanted in _AUTO:
        return None
    tag = wanted.replace("_", "-")
    code = _ALIASES.get(tag) or _ALIASES.get(tag.partition("-")[0])
    if code is None:
        raise InvalidLanguageError((text or "").strip())
    return code
