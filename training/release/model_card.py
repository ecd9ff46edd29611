"""The model card of the starter bundle, written from its figures and from nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from mmer_ros.types import EMOTIONS

Figures = Mapping[str, Any]
TEXTS = Path(__file__).parent / 'texts'

MEASURES = {'text': 'weighted F1', 'face': 'accuracy'}
NOTICE = ('for research and other non-commercial use only: its audio encoder was trained on '
          'RAVDESS (CC BY-NC-SA 4.0), its face encoder on FER2013 (research only), its text '
          'encoder on MELD (GPL-3.0) and GoEmotions; see MODEL_CARD.md')

LICENCES = (TEXTS / 'licences.md').read_text(encoding='utf-8')

MISUSE = (TEXTS / 'misuse.md').read_text(encoding='utf-8')

EVERYTHING = (TEXTS / 'everything.md').read_text(encoding='utf-8')

CONDITIONS = (TEXTS / 'conditions.md').read_text(encoding='utf-8')

COMPOSED = (TEXTS / 'compositions.md').read_text(encoding='utf-8')


def model_card(name: str, figures: Figures) -> str:
    """
    Return the card in Markdown.

    :param figures: as `training.commands.starter` gathers them; sections without figures are
        left out, none is made up.
    """
    sections = [
        f'# {name}: model card', _summary(figures), LICENCES, _data(figures), _alone(figures),
        _seeds(figures), _voices(figures), _by_sex(figures), _curves(figures), _fusion(figures),
        _pairs(figures), _prior(figures), _sanity(figures), MISUSE, _making(figures)]
    return '\n'.join(section.rstrip() + '\n' for section in sections if section)


def _summary(figures: Figures) -> str:
    alone = figures['subsets']
    return (
        'Compact encoders for text (GPT), voice (WaveRNN) and face (small CNN and GRU) with the '
        'crossmodal fusion and EmbraceNet of the paper, for two CPU cores. Seven emotions: '
        f'{", ".join(EMOTIONS)}. English.\n\n'
        'On held-out people or dialogues, one modality given: '
        f'text {_of(alone["text"], "weighted_f1")} weighted F1 (MELD dev), '
        f'voice {_of(alone["audio"], "unweighted_recall")} unweighted recall (RAVDESS, unseen '
        f'actors), face {_of(alone["face"], "accuracy")} accuracy (FER2013). All in % with 95 % '
        'bootstrap intervals.\n')


def _data(figures: Figures) -> str:
    rows = [(part, each['learned'], each['held_out']) for part, each in figures['data'].items()]
    return ('## Data\n\n' + table(('part', 'learnt from', 'held out for the figures below'), rows)
            + _everything(figures))


def _before(figures: Figures) -> str:
    return (' before it was trained on everything' if figures.get('everything')
            else ' as it is shipped')


def _everything(figures: Figures) -> str:
    parts = figures.get('everything')
    if not parts:
        return ''
    return f'\n{EVERYTHING.format(parts=", ".join(parts))}'


def _alone(figures: Figures) -> str:
    lines = ['## One modality alone', '',
             f'The bundle{_before(figures)}, asked with one modality (`Recognizer.load(...)` '
             'with its default prior: each corpus under its own class shares). Temperatures were '
             'fitted on the same held-out examples, and of voices on those cut to the speech, '
             'too; "crossed" is the calibration error of the encoders\' own classifiers, fitted '
             'on the other half of the people or dialogues.', '']
    rows = []
    for name in ('text', 'audio', 'face'):
        each = figures['subsets'][name]
        rows.append((name, str(each['examples']), _of(each, 'accuracy'),
                     _of(each, 'unweighted_recall'), _of(each, 'weighted_f1'),
                     _percent(each['ece']), _percent(figures['experts'][name]['ece_crossed']),
                     _percent(figures['experts'][name]['accuracy']['value'])))
    lines.append(table(('given', 'examples', 'accuracy', 'unweighted recall', 'weighted F1', 'ECE',
                        'ECE, crossed', 'accuracy of the encoder alone'), rows))
    for name in ('text', 'audio', 'face'):
        lines += [f'Confusion of {name} (rows: truth, columns: answer):', '',
                  _confusion(figures['subsets'][name])]
    return '\n'.join(lines)


def _seeds(figures: Figures) -> str:
    found = figures.get('seeds')
    if not found:
        return ''
    rows = [(name, MEASURES[name], str(len(values)), ', '.join(map(_percent, values)),
             _percent(fmean(values)), _percent(stdev(values)) if len(values) > 1 else '')
            for name, values in found.items()]
    return ('## Text and face by seed\n\nEncoders of the same recipe that differ in the seed, by '
            'their own classifiers, on the held-out parts (in %). The first is the one of the '
            'figures above.\n\n' + table(('encoder', 'measure', 'seeds', 'each', 'mean',
                                         'standard deviation'), rows))


def _voices(figures: Figures) -> str:
    found = figures.get('voices')
    if not found:
        return ''
    count = len(found['whole']) - 1
    names = ['of this bundle', *(f'one network, seed {n}' for n in range(count))]
    rows = [(name, *(_percent(found[kind][n]) for kind in ('whole', 'cut')))
            for n, name in enumerate(names)]
    if count > 1:
        rows.append((f'mean of the {count} seeds, standard deviation', *(
            f'{_percent(fmean(found[kind][1:]))}, {_percent(stdev(found[kind][1:]))}'
            for kind in ('whole', 'cut'))))
    return ('## Voice by seed, and by the silence around it\n\nUnweighted recall (in %) of the '
            'encoder and of single networks that differ in the seed, by their own classifiers, on '
            'the held-out actors: whole clips, which have about a second of silence before and '
            'after the speech, and clips cut to the speech as on the robot.\n\n'
            + table(('encoder', 'whole clips', 'cut to the speech'), rows))


def _by_sex(figures: Figures) -> str:
    if 'by_sex' not in figures:
        return ''
    rows = [(sex, str(each['examples']), _of(each, 'accuracy'), _of(each, 'unweighted_recall'),
             _percent(each['ece']), *(f'{100 * each["recall"][e]:.0f}' for e in EMOTIONS))
            for sex, each in figures['by_sex'].items()]
    return ('## Voice by sex of the speaker\n\nRAVDESS names the sex of its actors; the other '
            'corpora name neither sex nor origin, so nothing can be said of them.\n\n'
            + table(('speakers', 'clips', 'accuracy', 'unweighted recall', 'ECE',
                     *(f'recall {e}' for e in EMOTIONS)), rows))


def _curves(figures: Figures) -> str:
    parts = []
    for curve in figures.get('curves') or ():
        title = curve['title']
        measure = curve['measure'].replace('_', ' ')
        rows = [(x, *map(_percent, values)) for x, *values in curve['points']]
        parts.append(f'{title} (in %):\n\n' + table(
            (curve['axis'], measure, 'ECE', 'mean confidence'), rows))
    return CONDITIONS + '\n' + '\n'.join(parts) if parts else ''


def _fusion(figures: Figures) -> str:
    several = [name for name in figures['subsets'] if '+' in name]
    rows = [(name, str(figures['subsets'][name]['examples']),
             _of(figures['subsets'][name], 'accuracy'), _percent(figures['subsets'][name]['ece']),
             _percent(figures['agreeing'][name]['accuracy']['value']),
             *(_percent(silent[name]['accuracy']['value']) if name in silent else ''
               for silent in figures['silent'].values())) for name in several]
    conflicts = ', '.join(f'{100 * share:.0f} % ({m})' for m, share in zip(
        ('text', 'voice', 'face'), figures['recipe']['compositions']['conflicts']))
    return ('## Several modalities: scores of compositions\n\n'
            + COMPOSED.format(conflicts=conflicts) + '\n'
            + table(('given', 'compositions', 'accuracy', 'ECE', 'all agree',
                     *(f'{name} shows neutral' for name in figures['silent'])), rows))


def _pairs(figures: Figures) -> str:
    pairs = figures.get('pairs') or {}
    parts = []
    if 'votes' in pairs:
        parts.append(_votes(pairs['votes']))
    if 'signals' in pairs:
        parts.append(_signals(pairs['signals']))
    return '## Checked on real pairs\n\n' + '\n'.join(parts) if parts else ''


def _votes(votes: Figures) -> str:
    rows = []
    for name, each in votes['rules'].items():
        lead = votes['leads'].get(name)
        rows.append((name, _nats(each['cross_entropy']), _interval(each['accuracy']),
                     _nats(lead['cross_entropy']) if lead else '',
                     _interval(lead['accuracy']) if lead else ''))
    rule = votes['rule']
    return (
        f'**What people make of voice and face** (CREMA-D, {votes["clips"]} clips of '
        f'{votes["actors"]} actors, actor-disjoint folds): the votes for both, predicted from the '
        'votes for the voice alone and the face alone. The log-linear rule leads by:\n\n'
        + table(('prediction', 'cross-entropy (nats)', 'accuracy', 'lead: cross-entropy',
                 'lead: accuracy'), rows)
        + f'\nLearnt from it, and part of this bundle: the likelihood of the voice counts to the '
        f'power {rule["voice"]:.2f}, that of the face {rule["face"]:.2f} (`trust`), and neutral '
        f'is held back by {-rule["neutral"]:.2f} nats where both are there, for to show nothing '
        f'says little: where people see an emotion in both, the voice alone is neutral in '
        f'{100 * rule["voice_neutral"]:.0f} %, the face alone in '
        f'{100 * rule["face_neutral"]:.0f} %. Of words nothing of the kind was measured.\n')


def _signals(signals: Figures) -> str:
    rows = [(name, _interval(each), _percent(each['unweighted_recall']),
             f'{each["cross_entropy"]:.3f}') for name, each in signals['scores'].items()]
    costs = signals['cost_of_missing']
    return (
        f'**Voice and face of the same clip** (RAVDESS, {signals["clips"]} clips of '
        f'{signals["actors"]} actors, actor-disjoint folds, audio encoders trained within the '
        'folds; the face as action units, through the same fusion network). These encoders are '
        'of the recipe `starter/fold_voice`: as one of the three in the bundle, but trained on '
        'sound that is not worsened.\n\n'
        + table(('model', 'accuracy', 'unweighted recall', 'cross-entropy (nats)'), rows)
        + f'\nBoth over the better single model ({signals["better_single"]}): '
        f'{_interval(signals["lead"])} points. A missing modality costs, against a model of the '
        f'other alone: face missing {_interval(costs["face missing"])}, voice missing '
        f'{_interval(costs["voice missing"])} points.\n' + _strangers(signals['strangers']))


def _strangers(voice: Figures) -> str:
    return (
        f'\n**The voice of {voice["actors"]} actors**, each heard by the encoder of the fold that '
        'has not heard them, by its own classifier, calibrated on the other folds '
        f'({voice["clips"]} clips): {_interval(voice["accuracy"])} % accuracy, unweighted recall '
        f'{_percent(voice["unweighted_recall"])} %, sure with '
        f'{_percent(voice["mean_confidence"])} %, calibration error {_percent(voice["ece"])} %. '
        f'Of single actors it is right in {_percent(voice["worst_actor"])} to '
        f'{_percent(voice["best_actor"])} %: the four that are held out for all other figures of '
        'voices tell little of a fifth.\n')


def _prior(figures: Figures) -> str:
    rows = [(name, *(f'{100 * s:.1f}' for s in shares))
            for name, shares in figures['priors'].items()]
    return ('## Prior\n\nEach subset is calibrated under these class shares (%). With `prior` '
            '(`flat`, `meld`, or seven numbers) the answers are corrected for others. Node, '
            '`mmer recognize` and `mmer replay` assume `meld`: talk is mostly neutral. '
            '`Recognizer.load` corrects nothing unless told to.\n\n'
            + table(('given', *EMOTIONS), rows))


def _sanity(figures: Figures) -> str:
    found = dict(figures.get('sanity') or {})
    if not found:
        return ''
    people = found.pop('people', None)
    rows = [(what, ', '.join(f'{label} {n}' for label, n in each['labels'].items()),
             _percent(each['mean_confidence']), _percent(each['highest_confidence']))
            for what, each in found.items()]
    text = ('## On things without a label\n\nWith the prior `meld`, as on the robot. In the live '
            'system silence and noise do not get this far: voice activity and face detection come '
            'before.\n\n' + table(('what', 'answers', 'mean confidence, %', 'highest'), rows))
    if people:
        text += (f'\nPeople who read sentences without emotion (GRID, {people["clips"]} clips, '
                 f'{people["estimates"]} estimates, partial ones too): neutral in '
                 f'{_percent(people["neutral"])} % of them, mean confidence '
                 f'{_percent(people["mean_confidence"])} %; the label differs from the one before '
                 f'in {_percent(people["flip_rate"])} %.\n')
    return text


def _making(figures: Figures) -> str:
    lines = ['## How it was made', '',
             '`python -m training starter` (docs/training.md) does all of it anew from the data: '
             'encoders, compositions, fusion, temperatures, checks, this card.', '']
    rows = [(part, f'{n / 1e6:.2f} M') for part, n in figures['parameters'].items()]
    lines.append(table(('part', 'parameters'), rows))
    lines += [f'{note}' for note in figures.get('notes', ())]
    return '\n'.join(lines) + '\n'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table with a line feed at its end."""
    lines = [head, ['---'] * len(head), *rows]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines) + '\n'


def _confusion(figures: Figures) -> str:
    return table(('', *EMOTIONS), [
        (f'**{name}**', *map(str, row)) for name, row in zip(EMOTIONS, figures['confusion'])])


def _of(figures: Figures, measure: str) -> str:
    return _interval(figures[measure])


def _interval(figure: Mapping[str, float]) -> str:
    return '{:.1f} [{:.1f}, {:.1f}]'.format(
        *(100 * figure[k] for k in ('value', 'low', 'high')))


def _nats(figure: Mapping[str, float]) -> str:
    return '{value:.3f} [{low:.3f}, {high:.3f}]'.format(**figure)


def _percent(share: float) -> str:
    return f'{100 * share:.1f}'
