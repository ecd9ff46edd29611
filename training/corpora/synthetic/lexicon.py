# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The words of the synthetic dialogues; the cue words of different emotions never meet."""

from __future__ import annotations

TOPICS = (
    'the party', 'my job', 'the exam', 'the wedding', 'the trip', 'my apartment', 'the letter',
    'the phone call', 'my car', 'the dinner', 'the interview', 'my sister', 'the doctor',
    'the neighbors', 'my boss', 'the game', 'the movie', 'the kitchen', 'the money', 'the dog',
    'the hotel', 'my brother', 'the train', 'the concert', 'the museum', 'the computer',
    'my landlord', 'the garden', 'the bakery', 'the contract')
TIMES = ('today', 'this morning', 'last night', 'yesterday', 'on Monday', 'after lunch',
         'this week', 'in the end', 'before noon', 'on the way here')
PLACES = ('at the office', 'downstairs', 'at the station', 'in the hall', 'at the café',
          'on the second floor', 'across the street', 'at home', 'in the waiting room')

# A cue of any emotion fits into these, so that the frame carries no information.
FRAMES = (
    '{Topic} was {cue} {time}', 'I think {topic} is {cue}', 'It was {cue}, all of it',
    'That {cue} thing with {topic} again', 'They say that {topic} is {cue}',
    'So {topic} turned out {cue}', 'Everything about {topic} felt {cue} {time}',
    'It was really {cue} {place}', 'It was just so {cue} {time}',
    'Quite the {cue} story about {topic}')
FACTS = (
    '{Topic} is {place}', 'I talked about {topic} {time}', 'We can go over {topic} {time}',
    'They moved {topic} to Thursday', 'I put the keys {place}', 'Could you ask about {topic}',
    'He was {place} {time}', 'I have to be {place} by four', 'She wrote it down {time}',
    'There are two of them {place}', 'Let me check {topic} {time}', 'It takes an hour or so')
OPENERS = ('Well', 'So', 'Listen', 'You know', 'I mean', 'Look', 'Okay', 'Anyway')
TAILS = ('you know', 'I guess', 'or something', 'by the way', 'and that is that', 'right')

CUES = {  # common ones first
    'neutral': ('ordinary', 'usual', 'normal', 'regular', 'average', 'standard', 'typical',
                'common', 'simple', 'familiar'),
    'surprise': ('unbelievable', 'unexpected', 'incredible', 'astonishing', 'sudden', 'stunning',
                 'surprising', 'shocking', 'mind-boggling', 'unreal', 'startling', 'baffling'),
    'fear': ('scary', 'terrifying', 'dangerous', 'frightening', 'creepy', 'threatening',
             'alarming', 'spooky', 'worrying', 'menacing', 'risky', 'horrifying'),
    'sadness': ('sad', 'heartbreaking', 'lonely', 'hopeless', 'depressing', 'miserable',
                'painful', 'gloomy', 'tragic', 'sorrowful', 'disappointing', 'bleak'),
    'joy': ('wonderful', 'great', 'fantastic', 'lovely', 'marvelous', 'delightful', 'beautiful',
            'perfect', 'brilliant', 'sweet', 'charming', 'joyful'),
    'disgust': ('disgusting', 'gross', 'filthy', 'nasty', 'revolting', 'rotten', 'sickening',
                'slimy', 'foul', 'repulsive', 'stinking', 'mouldy'),
    'anger': ('infuriating', 'outrageous', 'unfair', 'ridiculous', 'maddening', 'insulting',
              'unacceptable', 'disrespectful', 'rude', 'stupid', 'shameless', 'annoying'),
}
EXCLAMATIONS = {
    'surprise': ('Wow', 'Oh my God', 'What', 'No way', 'Whoa', 'Holy cow', 'Since when'),
    'fear': ('Oh no', 'Help', 'Careful', 'Watch out', 'Please hide', 'Stay back', 'Run away'),
    'sadness': ('Alas', 'Oh dear', 'I am crying', 'Poor me', 'Sigh', 'It is hopeless'),
    'joy': ('Yay', 'Hooray', 'Yes', 'Woohoo', 'Oh thank you', 'Haha', 'Bravo'),
    'disgust': ('Ew', 'Yuck', 'Ugh', 'Gross', 'Ick', 'Blech', 'Phew'),
    'anger': ('Damn it', 'Shut up', 'Hey', 'Enough', 'How dare you', 'Get out', 'Stop that'),
}
IDIOMS = {
    'surprise': ('I did not see {topic} coming', 'you are kidding me about {topic}',
                 'I cannot believe {topic}', 'who would have thought that of {topic}',
                 'my jaw dropped {time}', 'are you serious about {topic}'),
    'fear': ('I am so scared of {topic}', 'I am afraid {topic} will hurt us',
             'my hands are shaking {time}', 'somebody is following me {place}',
             'I am terrified of {topic}', 'what if {topic} kills us'),
    'sadness': ('I miss {topic} so much', 'I cried about {topic} {time}',
                'we lost {topic} and my heart is broken', 'nobody came {time}, I was all alone',
                'I am so sorry we lost {topic}', 'I wept {place}'),
    'joy': ('I love {topic} so much', 'I am so happy about {topic}',
            'this is the best day ever, because of {topic}', 'we are celebrating {topic} {time}',
            'I am thrilled about {topic}', 'we laughed and danced {place}'),
    'disgust': ('{topic} made me want to vomit', 'it smells like garbage {place}',
                'there was mold all over {topic}', 'I feel sick when I look at {topic}',
                'a cockroach crawled over {topic}', 'I would not touch {topic}, it stinks'),
    'anger': ('I am so mad about {topic}', 'you lied to me about {topic}',
              'I hate what you did to {topic}', 'I am furious about {topic}',
              'how could you ruin {topic}', 'I am sick of your excuses {time}'),
}
# Reactions to the other speaker's emotion; these words are no cue of the own emotion.
REACTIONS = {
    'neutral': ('I see', 'All right', 'Noted', 'Sure thing'),
    'surprise': ('You had no idea?', 'Nobody told you?', 'Did you only find out now?'),
    'fear': ('Calm down, you are safe', 'I will protect you', 'Nothing will happen to you'),
    'sadness': ('Come here, let me hold you', 'Cheer up', 'There, there, do not weep'),
    'joy': ('Congratulations', 'Good for you', 'I’m glad for you'),
    'disgust': ('Then wash your hands', 'Open a window', 'Throw it away then'),
    'anger': ('Please stop yelling', 'Relax, I apologize', 'There is no need to shout'),
}
