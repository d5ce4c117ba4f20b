"""Plain sentences are no markup, whatever they have in them: each passes byte for byte."""

import pytest

from speechhub.speakable import Line, read

PLAIN = """\
Two times three is 2*3, and 2*3*4 is 24.
She writes C# and F#, and he writes C++.
The variable is called snake_case, or my_snake_case_name.
If a < b and b < c, then a < c.
If a > b, then b < a.
* footnote
#1 fan of the team
It is 5 - 3 = 2 today.
1. January is a holiday.
It takes ~5 minutes, or ~~7.
The absolute value |x| is never negative.
He wrote "recieve [sic] the letter".
AT&T and R&D; that is all.
I <3 you.
The product x_1*y_2 is small.
Write to <jo@example.org> or jo@example.org.
A List<String> is not a Map<String, List<Object>>.
Use copy <source> <output> for that.
The price is 5* and that of the other 6*.
f(x)*(y)*(z) and (a+b)*(c+d)*2
*args and **kwargs are common.
char *p, char *q;
On page [3] and in [Smith 1999] and a[i][j].
Is it 50% or 60 %?
It costs $5, €6, £7 or 8 ¥.
He said: "No!" - and left.
Well - who knows - perhaps.
A dash — as here — is a dash.
The file is C:\\Users\\jo\\notes.txt or /usr/lib/x.
Version 2.0.1-rc_3 is out.
Dr. Smith and Mrs. Jones came at 5 p.m. on Jan. 5th.
It is 12:30:15 on 2026-11-29.
Call +49 (0)30 123-456 or 555-0123.
She ran 3,5 km in 20'30".
O'Brien's and the Joneses' cats.
Müller, naïve, Žižek, Øre, İstanbul.
今天天气很好,我们去公园吧!
価格は3*5円です。
他问……真的？
Это 5*6 и ещё [что-то].
مرحبا، كيف حالك؟ 5*6
שלום, מה שלומך? [1]
नमस्ते, आप कैसे हैं?
Wait for it ;-) or :) or :-D or ^_^.
1) is the first, a) is the second.
(c) 2026, © 2026, ® and ™.
Temperatures of -5 °C to +3 °C.
+ 5 points for you
- said nobody ever
> 5 is more than four
>=5 people came.
H2O, CO2, x^2 and e=mc^2.
The ratio is 3:2, and 4/5 of it.
{"a": 1, "b": [2, 3]}
x**n + y**n = z**n, and a**b**c
That f**king b**ch said s**t.
Call items[i](x) and a[1](2), or f[0](y, z).
The pattern [^1]+ and the pattern [^2]* match.
The __init__ and __del__ methods, and __FILE__ too
if __name__ == "__main__": main()
a && b || c, !d, a != b
Rock & Roll & more
&c. and &amp without a semicolon
The # of people, the no. 5 and § 7
Yes/no, and/or, he/she/they
  Two  spaces   inside stay.
=5+3
"Quoted," she said. 'So?'
[Jo]: hello
[Jo]: /me waves
[Source]: https has more
100,000.00 or 100.000,00
@jo and #hashtag_here
It's 6'2" tall and 5*
~/notes and ./run.sh
The end!!! Really?! Yes.
""".splitlines()


@pytest.mark.parametrize("sentence", PLAIN)
def test_a_plain_sentence_passes_byte_for_byte(sentence):
    """Alone, as a client sends it that cuts texts itself."""
    assert list(read(sentence)) == [Line(text=sentence)] or list(read(sentence)) == [
        Line(text=sentence.strip())
    ]


def test_plain_sentences_pass_together():
    """As the paragraphs of one text: what stands in one makes no markup of another."""
    sentences = [sentence.strip() for sentence in PLAIN]

    assert [line.text for line in read("\n\n".join(sentences))] == sentences


def test_plain_sentences_pass_in_one_line():
    """One behind the other, but for those that together are what Markdown has for emphasis."""
    text = " ".join(sentence.strip() for sentence in PLAIN if " *" not in f" {sentence}"[:9])

    assert [line.text for line in read(text)] == [text]
