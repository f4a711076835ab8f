"""Write data/sample from the generator in autorec.datasets.sample; the same bytes each time."""

from pathlib import Path

from autorec.datasets.sample import GENRES, SEED, sample_tables

FOLDER = Path(__file__).resolve().parent.parent / "data" / "sample"

README = f"""# The built-in sample

Invented people, invented films: {{users}} users, {{items}} films, {{ratings:,}} ratings of 1 to 5 stars in halves, in
the shape of MovieLens (`ratings.csv`, `movies.csv`). Made by `scripts/make_sample.py` from seed {SEED}; nothing of it
is from a real data set, and it may be used for anything.

Tastes are planted, so that one can see whether a model finds them. The genres are, numbered from 0:
{", ".join(GENRES)}. A film's genre is its `movieId` modulo {len(GENRES)}; a user belongs to the
group `userId` modulo {len(GENRES)}. A user's rating is about 3.2, with 1.5 more for the genre of the user's group and
1.5 less for the next one (the last is followed by the first), plus a bias of the user and one of the film, plus noise
of standard deviation 0.55. Users rate their own genre twice as often as chance has it, and popularity has a long tail.
"""


def main() -> None:
    ratings, films = sample_tables()
    FOLDER.mkdir(parents=True, exist_ok=True)
    ratings.to_csv(FOLDER / "ratings.csv", index=False, lineterminator="\n")
    films.to_csv(FOLDER / "movies.csv", index=False, lineterminator="\n")
    counts = {"users": ratings["userId"].nunique(), "items": len(films), "ratings": len(ratings)}
    (FOLDER / "README.md").write_text(README.format(**counts), encoding="utf-8")


if __name__ == "__main__":
    main()
