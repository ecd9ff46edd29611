// The page of `mmer live`. One clock stamps everything: performance.timeOrigin + performance.now().
(() => {
  const id = (name) => document.getElementById(name);
  const body = document.body, isCamera = body.dataset.mode === 'camera', hasWords = 'words' in body.dataset;
  const SPAN_S = 30, IMAGE_HZ = 10, IMAGE_WIDTH = 640, KEPT_S = 10, RETRY_MS = 1000, STALLED_MS = 5000, SHOWN = 60;
  const AUDIO = 1, IMAGE = 2, BUSY = 4001, TAKEN = 4002;
  const EMOTIONS = [...id('seven').children].map((row) => row.dataset.name);
  const SOURCES = ['text', 'audio', 'face'];
  const page = Math.random().toString(36).slice(2), token = new URLSearchParams(location.search).get('token') || '';
  const state = {socket: null, on: false, stream: null, context: null, faces: null, expressions: new Map(), loudness: [],
    spoken: new Map(), voices: [], words: new Map(), latencies: [], events: new Map(), waiting: [], health: null,
    latest: null, lastStamp: 0, lastAt: 0, isRecording: false, refuse: null, heardAt: 0, isStalled: false};
  const here = () => (performance.timeOrigin + performance.now()) / 1000;
  const now = () => isCamera ? here() : state.lastStamp + (performance.now() - state.lastAt) / 1000;
  const percent = (share) => Math.round(100 * share) + ' %';
  const style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue(name).trim();
  const tints = Object.fromEntries([...id('seven').children].map((row) => {
    const own = getComputedStyle(row);
    return [row.dataset.name, [own.getPropertyValue('--c').trim(), own.getPropertyValue('--ink').trim()]];
  }));

  // ------------------------------------------------------------------------------ sentences
  const notify = (text, action, run) => {
    id('notice').hidden = !text;
    id('notice').firstElementChild.textContent = text || '';
    const button = id('action');
    button.hidden = !action;
    button.textContent = action || '';
    button.onclick = run || null;
  };
  const report = (kind, text) => {
    const known = state.events.get(kind) || {count: 0};
    state.events.delete(kind);
    state.events.set(kind, {text, count: known.count + 1, at: performance.now()});
    if (state.events.size > 8) state.events.delete(state.events.keys().next().value);
    showHealth();
  };
  const WHY = {
    NotAllowedError: (what) => `The browser may not use the ${what}. Allow it in the address bar, then press Start.`,
    NotFoundError: (what) => `There is no ${what}. Plug one in, then press Start.`,
    NotReadableError: (what) => `The ${what} cannot be opened; another program may be using it. Close that, then press Start.`,
    OverconstrainedError: (what) => `The chosen ${what} is not there any more. Choose another one.`,
  };
  const why = (error, what) => (WHY[error.name] || (() => `The ${what} cannot be opened (${error.name}). Try another browser.`))(what);
  const missing = () => {
    if (!('WebSocket' in window)) return 'This browser has no WebSocket';
    if (!isCamera) return '';
    if (!navigator.mediaDevices || !navigator.mediaDevices.getUserMedia) return 'This browser gives pages no camera and no microphone';
    if (!window.AudioContext || !('audioWorklet' in AudioContext.prototype)) return 'This browser has no AudioWorklet';
    return '';
  };

  // ----------------------------------------------------------------------------- connection
  const connect = (takeOver) => {
    const query = new URLSearchParams({token, page});
    if (takeOver) query.set('take_over', '1');
    const socket = new WebSocket(`ws://${location.host}/socket?${query}`);
    socket.binaryType = 'arraybuffer';
    state.socket = socket;
    let wasOpen = false;
    socket.onopen = () => {
      wasOpen = true;
      state.heardAt = performance.now();
      connected('connected', 'on');
      state.waiting.splice(0).forEach((packet) => socket.send(packet));
    };
    socket.onmessage = ({data}) => {
      state.heardAt = performance.now();
      if (typeof data === 'string') receive(JSON.parse(data));
      else showPicture(data);
    };
    socket.onclose = ({code}) => {
      if (state.socket !== socket) return;
      if (code === BUSY || code === TAKEN) {
        connected('in another tab', 'wrong');
        if (code === TAKEN) stop();
        return;
      }
      connected('not connected', 'wrong');
      state.isStalled = false;
      notify('The connection to mmer live is lost. Is it still running in the terminal? This page connects again by itself; what is said in the next ' + KEPT_S + ' seconds is kept.');
      if (!wasOpen) askForToken();
      setTimeout(() => connect(false), RETRY_MS);
    };
  };
  // A refused WebSocket has no reason; the page itself has one.
  const askForToken = async () => {
    const answer = await fetch(location.href, {cache: 'no-store'}).catch(() => null);
    if (answer && answer.status === 403) notify('mmer live was started again and has another address. Open the one that it printed in the terminal.');
  };
  // Something comes each second; the connection may hang long before it ends.
  const watchConnection = () => {
    const silent = performance.now() - state.heardAt;
    if (isOpen() && !state.refuse && silent > STALLED_MS) {
      state.isStalled = true;
      connected('no answer', 'wrong');
      notify(`mmer live has not answered for ${Math.round(silent / 1000)} s: its computer is busy, or the network is gone. What is said waits until it answers.`);
    } else if (state.isStalled && isOpen()) {
      state.isStalled = false;
      connected('connected', 'on');
      notify('');
    }
  };
  const connected = (text, kind) => {
    id('connection').textContent = text;
    id('connection').className = 'pill ' + kind;
  };
  const isOpen = () => state.socket && state.socket.readyState === WebSocket.OPEN;
  const command = (message) => { if (isOpen()) state.socket.send(JSON.stringify(message)); };
  const send = (kind, rate, stamp, content) => {
    const packet = new Uint8Array(24 + content.byteLength), view = new DataView(packet.buffer);
    view.setUint8(0, kind);
    view.setUint32(4, rate, true);
    view.setFloat64(8, Math.round(1e6 * stamp), true);
    view.setFloat64(16, Math.round(1e6 * here()), true);
    packet.set(new Uint8Array(content), 24);
    if (isOpen()) {
      if (kind === AUDIO || state.socket.bufferedAmount < 1 << 21) state.socket.send(packet);
    } else if (kind === AUDIO) {
      state.waiting.push(packet);
      if (state.waiting.length > 20 * KEPT_S) state.waiting.shift();
    }
  };
  const refused = (text) => {
    state.refuse = () => notify(text, 'Use it here', () => { notify(''); connect(true); });
    state.refuse();
  };
  const receive = (message) => {
    if (message.stamp && message.stamp >= state.lastStamp) {
      state.lastStamp = message.stamp;
      state.lastAt = performance.now();
    }
    const act = {
      hello: () => {
        state.refuse = null;
        notify(missing() && missing() + '; use a current Chrome, Edge, Firefox or Safari.');
      },
      busy: () => refused(message.text),
      taken: () => refused(message.text),
      estimate: () => add(message),
      faces: () => { state.faces = message; showWho(); },
      people: () => { state.expressions = new Map(message.people.map((one) => [one.id, one])); },
      speaking: () => showSpeaking(message),
      words: () => { state.words.set(message.stamp, message.text); },
      event: () => report(message.kind, message.text),
      health: () => { state.health = message; showHealth(); },
      recording: () => showRecording(message),
    }[message.type];
    if (act) act();
  };

  // ------------------------------------------------------------------- camera and microphone
  const wanted = (what) => {
    const device = id(what === 'camera' ? 'camera' : 'microphone').value;
    const exact = device ? {deviceId: {exact: device}} : {};
    // The model learnt voices as they are: no cancelling, no levelling.
    return what === 'camera' ? {video: {...exact, width: {ideal: 640}, height: {ideal: 480}}} :
      {audio: {...exact, channelCount: {ideal: 1}, echoCancellation: false, noiseSuppression: false, autoGainControl: false}};
  };
  const open = async () => {
    const media = navigator.mediaDevices;
    try {
      return [await media.getUserMedia({...wanted('camera'), ...wanted('microphone')}), ''];
    } catch (error) {  // one of the two may still be there
      const tracks = [], problems = [];
      for (const what of ['camera', 'microphone']) {
        try {
          tracks.push(...(await media.getUserMedia(wanted(what))).getTracks());
        } catch (reason) {
          problems.push(why(reason, what));
        }
      }
      if (!tracks.length) throw new Error(problems.join(' '));
      return [new MediaStream(tracks), problems.join(' ') + ' It goes on without.'];
    }
  };
  const start = async () => {
    const lack = missing();
    if (lack) { notify(lack + '; use a current Chrome, Edge, Firefox or Safari.'); return; }
    if (state.refuse) { state.refuse(); return; }
    id('start').disabled = true;
    try {
      const [stream, problem] = await open();
      state.stream = stream;
      state.on = true;
      command({type: 'start'});
      notify(problem);
      stream.getTracks().forEach((track) => {
        track.onended = () => notify(`The ${track.kind === 'video' ? 'camera' : 'microphone'} is gone. Plug it in again, then press Stop and Start.`);
      });
      if (stream.getAudioTracks().length) await listen(stream);
      if (stream.getVideoTracks().length) await watch(stream);
      id('welcome').hidden = stream.getVideoTracks().length > 0;
      await listDevices();
    } catch (error) {
      stop();
      notify(error.message);
    }
    id('start').disabled = false;
    buttons();
  };
  const stop = () => {
    state.on = false;
    if (state.stream) state.stream.getTracks().forEach((track) => { track.onended = null; track.stop(); });
    if (state.context) state.context.close();
    Object.assign(state, {stream: null, context: null, faces: null, expressions: new Map()});
    if (isCamera) id('video').srcObject = null;
    id('welcome').hidden = false;
    command({type: 'stop'});
    if (state.isRecording) command({type: 'record', on: false});
    buttons();
  };
  const buttons = () => {
    if (!isCamera) return;
    id('start').textContent = state.on ? 'Stop' : 'Start';
    id('start').setAttribute('aria-pressed', state.on);
    id('record').disabled = id('reset').disabled = !state.on;
  };
  const listDevices = async () => {
    const devices = await navigator.mediaDevices.enumerateDevices();
    for (const [name, kind] of [['camera', 'videoinput'], ['microphone', 'audioinput']]) {
      const select = id(name), chosen = select.value;
      const found = devices.filter((device) => device.kind === kind && device.deviceId);
      select.replaceChildren(new Option('default', ''), ...found.filter((device) => device.deviceId !== 'default').map(
        (device, index) => new Option(device.label || `${name} ${index + 1}`, device.deviceId)));
      select.value = found.some((device) => device.deviceId === chosen) ? chosen : '';
    }
  };
  const listen = async (stream) => {
    let context, source;
    try {  // the rate of the recogniser, where the browser converts to it
      context = new AudioContext({sampleRate: 16000});
      source = context.createMediaStreamSource(new MediaStream(stream.getAudioTracks()));
    } catch (error) {
      context = new AudioContext();
      source = context.createMediaStreamSource(new MediaStream(stream.getAudioTracks()));
    }
    state.context = context;
    await context.audioWorklet.addModule('/capture.js');
    const capture = new AudioWorkletNode(context, 'capture', {channelCount: 1, channelCountMode: 'explicit'});
    const late = stream.getAudioTracks()[0].getSettings().latency || 0, rate = context.sampleRate;
    const clock = frameClock(rate), held = [];
    const pass = ({frame, sound}) => {
      const stamp = clock.time(frame) - late;
      let power = 0;
      for (const sample of sound) power += (sample / 32768) ** 2;
      addLoudness(stamp, Math.sqrt(power / sound.length));
      send(AUDIO, rate, stamp, sound.buffer);
    };
    capture.port.onmessage = ({data}) => {
      held.push(data);
      if (clock.saw(data.frame + data.sound.length)) held.splice(0).forEach(pass);
    };
    source.connect(capture).connect(context.destination);  // silent; what leads nowhere is not run
    state.nodes = [source, capture];  // browsers may collect what nothing refers to
    await context.resume();
  };
  // When a frame of sound was captured. Blocks come late by chance, never early: the earliest of
  // the last seconds shows how the clocks lie. It is kept, so that sound has no gaps, until frames
  // that the browser lost have moved it far.
  const frameClock = (rate) => {
    const latest = [];
    let offset = null;
    return {
      saw: (frame) => {
        latest.push(here() - frame / rate);
        if (latest.length > 100) latest.shift();
        const least = Math.min(...latest);
        if (offset === null) {
          if (latest.length >= 10) offset = least;
        } else if (latest.length === 100 && Math.abs(least - offset) > 0.3) offset = least;
        return offset !== null;
      },
      time: (frame) => offset + frame / rate,
    };
  };
  const addLoudness = (stamp, loudness) => {
    const shown = Math.max(0, Math.min(1, 1 + Math.log10(loudness + 1e-6) / 3.2));
    state.loudness.push([stamp, shown]);
    while (state.loudness.length && state.loudness[0][0] < stamp - SPAN_S - 1) state.loudness.shift();
    id('level').value = shown;
  };
  const watch = async (stream) => {
    const video = id('video'), canvas = document.createElement('canvas'), pen = canvas.getContext('2d');
    video.srcObject = new MediaStream(stream.getVideoTracks());
    await video.play();
    let slot = -1, isBusy = false;
    const take = (at, frame) => {
      if (state.stream !== stream) return;
      const stamp = (performance.timeOrigin + ((frame && frame.captureTime) || at)) / 1000;
      const next = Math.floor(stamp * IMAGE_HZ);
      if (next !== slot && !isBusy && video.videoWidth) {
        slot = next;
        isBusy = true;
        const scale = Math.min(1, IMAGE_WIDTH / video.videoWidth);
        canvas.width = Math.round(scale * video.videoWidth);
        canvas.height = Math.round(scale * video.videoHeight);
        pen.drawImage(video, 0, 0, canvas.width, canvas.height);
        canvas.toBlob(async (blob) => {
          if (blob) send(IMAGE, 0, stamp, await blob.arrayBuffer());
          isBusy = false;
        }, 'image/jpeg', 0.85);
      }
      again();
    };
    const again = 'requestVideoFrameCallback' in video ? () => video.requestVideoFrameCallback(take) : () => requestAnimationFrame(take);
    again();
  };
  const showPicture = async (data) => {
    const picture = await createImageBitmap(new Blob([data], {type: 'image/jpeg'})), canvas = id('seen');
    canvas.width = picture.width;
    canvas.height = picture.height;
    canvas.getContext('2d').drawImage(picture, 0, 0);
    id('welcome').hidden = true;
  };

  // ------------------------------------------------------------------------------ estimates
  const key = (estimate) => estimate.utterance_id;
  const add = (estimate) => {
    const known = state.spoken.get(key(estimate));
    if (known && known.final && !estimate.final) return;
    const latency = 'latency' in estimate ? estimate.latency : here() - estimate.stamp;
    estimate.shownLatency = known && known.final ? known.shownLatency : latency;
    const isNews = latency < 20;  // not one of those that a page gets when it connects again
    if (isNews) state.latencies.push({final: estimate.final, revision: estimate.revision, latency});
    state.spoken.set(key(estimate), estimate);
    while (state.spoken.size > SHOWN) state.spoken.delete(state.spoken.keys().next().value);
    state.latest = estimate;
    showEstimate(estimate);
    showList(estimate);
    showHealth();
  };
  const who = (estimate) => estimate.person_id || estimate.voice_id || estimate.face_id || '';
  const stage = (estimate) => {
    if (!estimate.final) return estimate.provisional ? 'provisional' : 'partial';
    const waits = hasWords && !estimate.modalities.includes('text') && here() - estimate.end < 6;
    return waits ? 'final, words to come' : estimate.revision ? 'final, with words' : 'final';
  };
  const fill = (row, share) => {
    row.children[1].firstElementChild.style.width = 100 * share + '%';
    row.children[2].textContent = percent(share);
  };
  const showEstimate = (estimate) => {
    const now = document.querySelector('.now');
    now.classList.toggle('partial', !estimate.final);
    document.querySelector('.big').classList.remove('idle');
    id('state').textContent = stage(estimate);
    id('state').className = 'pill' + (estimate.final ? ' on' : '');
    id('label').textContent = estimate.label;
    id('sure').textContent = percent(estimate.confidence);
    id('swatch').className = 'swatch e-' + estimate.label;
    id('words').textContent = estimate.transcript ? '“' + estimate.transcript + '”' : '';
    [...id('seven').children].forEach((row) => {
      fill(row, estimate.probabilities[row.dataset.name]);
      row.classList.toggle('first', row.dataset.name === estimate.label);
    });
    [...id('sources').children].forEach((row) => {
      const isThere = estimate.modalities.includes(row.dataset.name);
      row.classList.toggle('off', !isThere);
      fill(row, isThere ? estimate.modality_weights[row.dataset.name] : 0);
      if (!isThere) row.children[2].textContent = 'none';
    });
  };
  const element = (tag, text, kind) => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };
  const showList = (estimate) => {
    if (!estimate.final) return;
    const list = id('spoken');
    list.querySelectorAll('.none').forEach((row) => row.remove());
    let row = [...list.children].find((each) => each.dataset.of === key(estimate));
    if (!row) {
      row = document.createElement('li');
      row.dataset.of = key(estimate);
      list.prepend(row);
      while (list.children.length > SHOWN) list.lastElementChild.remove();
    }
    const chip = element('span', '', 'chip');
    chip.append(element('i', '', 'swatch e-' + estimate.label), estimate.label + ' ' + percent(estimate.confidence));
    const said = estimate.transcript ? element('q', estimate.transcript) :
      element('em', estimate.modalities.map((name) => ({text: 'words', audio: 'voice', face: 'face'}[name])).join(' and ') + (estimate.modalities.includes('text') ? '' : ', no words'));
    const facts = [who(estimate), (estimate.end - estimate.start).toFixed(1) + ' s'];
    if (estimate.shownLatency < 20) facts.push(Math.round(1000 * estimate.shownLatency) + ' ms');
    row.replaceChildren(element('time', new Date(1000 * estimate.start).toLocaleTimeString('en-GB')), chip, said, element('small', facts.filter(Boolean).join(' · ')));
    const count = list.querySelectorAll('li[data-of]').length;
    id('count').textContent = count + (count === 1 ? ' utterance' : ' utterances');
  };

  // ------------------------------------------------------------------ state of the input
  const showSpeaking = ({on, stamp}) => {
    id('speaking').textContent = on ? 'speech' : 'silent';
    id('speaking').className = 'pill' + (on ? ' on' : '');
    if (on) state.voices.push([stamp, null]);
    else if (state.voices.length) state.voices[state.voices.length - 1][1] = stamp;
    if (state.voices.length > 100) state.voices.shift();
    if (on && !state.latest) id('label').textContent = 'listening';
  };
  const showWho = () => {
    const {faces, speaker} = state.faces, names = faces.length === 1 ? '1 face' : faces.length + ' faces';
    const speaks = faces.find((face) => face.id === speaker);
    id('who').textContent = speaks ? `${names}, ${speaks.name} speaks` : names;
  };
  const showRecording = ({on, path}) => {
    if (!isCamera) return;
    const before = state.isRecording;
    state.isRecording = on;
    id('record').setAttribute('aria-pressed', on);
    id('record').lastElementChild.textContent = on ? 'Recording' : 'Record';
    if (on) notify(`Recording to ${path}. Faces, voice and words are stored there until you stop.`);
    else if (before) notify(`Saved. See it with: mmer replay ${state.path}`);
    state.path = path;
  };
  const median = (values) => {
    const sorted = [...values].sort((a, b) => a - b);
    return sorted.length ? sorted[Math.floor(sorted.length / 2)] : null;
  };
  const showHealth = () => {
    const shown = median(state.latencies.slice(-20).map((each) => each.latency));
    id('latency').textContent = shown === null ? '–' : Math.round(1000 * shown) + ' ms';
    const health = state.health || {problems: []}, old = performance.now() - 15000;
    if (isCamera) for (const name of ['image_hz', 'audio_hz']) id(name).textContent = name in health ? health[name] : '–';
    const rows = health.problems.map((text) => element('li', text));
    [...state.events.values()].reverse().forEach(({text, count, at}) => {
      rows.push(element('li', text + (count > 1 ? ` (${count} times)` : ''), at < old ? 'past' : ''));
    });
    id('problems').replaceChildren(...(rows.length ? rows : [element('li', 'nothing to report', 'good')]));
  };

  // --------------------------------------------------------------------- what moves: canvases
  const sized = (canvas) => {
    const box = canvas.getBoundingClientRect(), ratio = devicePixelRatio || 1;
    const width = Math.round(box.width * ratio), height = Math.round(box.height * ratio);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, {width, height});
    const pen = canvas.getContext('2d');
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, box.width, box.height);
    return [pen, box.width, box.height];
  };
  const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif';
  const drawBoxes = () => {
    const [pen, width, height] = sized(id('boxes')), found = state.faces;
    if (!found || now() - found.stamp > 0.8) return;
    const scale = Math.min(width / found.size[0], height / found.size[1]);
    const left = (width - scale * found.size[0]) / 2, top = (height - scale * found.size[1]) / 2;
    pen.font = '600 13px ' + FONT;
    found.faces.forEach((face) => {
      const [x0, y0, x1, y1] = face.box.map((edge, i) => (i % 2 ? top : left) + scale * edge);
      const speaks = face.id === found.speaker, name = face.name + (speaks ? ' speaks' : '');
      const ours = speaks && state.latest && state.latest.face_id === face.id ? tints[state.latest.label][0] : speaks ? '#5adc5a' : '#ffffff';
      pen.lineWidth = speaks ? 6 : 4;
      pen.strokeStyle = '#000a';
      pen.strokeRect(x0, y0, x1 - x0, y1 - y0);
      pen.lineWidth = speaks ? 3.5 : 1.5;
      pen.strokeStyle = ours;
      pen.strokeRect(x0, y0, x1 - x0, y1 - y0);
      const shown = speaks ? null : state.expressions.get(face.id);
      const words = shown ? `${name}  ` : name, more = shown ? `${shown.label} ${percent(shown.confidence)}` : '';
      const first = pen.measureText(words).width, wide = first + (more ? pen.measureText(more).width + 15 : 0) + 12;
      const label = Math.max(0, y0 - 22), side = Math.max(0, Math.min(x0 - 1, width - wide));
      pen.fillStyle = '#10161ddd';
      pen.beginPath();
      pen.roundRect(side, label, wide, 19, 5);
      pen.fill();
      pen.fillStyle = '#f2f5f8';
      pen.fillText(words, side + 6, label + 14);
      if (!more) return;
      pen.fillText(more, side + first + 21, label + 14);
      pen.fillStyle = tints[shown.label][0];
      pen.fillRect(side + first + 6, label + 4, 11, 11);
    });
  };
  const LANES = [['Voice', 12, 50], ['Words', 68, 40], ['Emotion', 116, 34]], AXIS = 164;
  const clip = (pen, text, width) => {
    if (pen.measureText(text).width <= width) return text;
    let short = text;
    while (short && pen.measureText(short + '…').width > width) short = short.slice(0, -1);
    return short ? short.trimEnd() + '…' : '';
  };
  const drawLanes = () => {
    const [pen, width] = sized(id('lanes')), narrow = width < 520, gutter = narrow ? 66 : 78, span = narrow ? 15 : SPAN_S;
    id('span').textContent = span;
    const end = now(), plot = width - gutter - 10, at = (stamp) => gutter + plot * (1 - (end - stamp) / span);
    const ink = colour('--text'), soft = colour('--soft');
    pen.font = '600 12px ' + FONT;
    LANES.forEach(([name, top, height]) => {
      pen.fillStyle = ink;
      pen.fillText(name, narrow ? 10 : 14, top + height / 2 + 4);
      pen.fillStyle = colour('--line');
      pen.fillRect(0, top + height + 4, width, 1);
    });
    pen.font = '11px ' + FONT;
    for (let second = Math.ceil((end - span) / 5) * 5; second <= end; second += 5) {
      pen.fillStyle = colour('--grid');
      pen.fillRect(at(second), 6, 1, AXIS - 10);
      pen.fillStyle = soft;
      const ago = Math.round(end - second);
      const label = ago ? `−${ago} s` : 'now';
      const x = Math.min(Math.max(at(second) - pen.measureText(label).width / 2, gutter), width - 30);
      pen.fillText(label, x, AXIS + 12);
    }
    pen.save();
    pen.beginPath();
    pen.rect(gutter, 0, plot + 4, AXIS);
    pen.clip();
    const [, voiceTop, voiceHeight] = LANES[0], middle = voiceTop + voiceHeight / 2;
    pen.fillStyle = colour('--voiced');
    const bands = isCamera ? state.voices : [...state.spoken.values()].map((each) => [each.start, each.end]);
    bands.forEach(([from, to]) => {
      const x0 = at(from), x1 = at(to === null ? end : to);
      if (x1 > gutter) { pen.beginPath(); pen.roundRect(x0, voiceTop, Math.max(2, x1 - x0), voiceHeight, 4); pen.fill(); }
    });
    pen.fillStyle = colour('--wave');
    const step = Math.max(1, plot * 0.05 / span - 0.6);
    state.loudness.forEach(([stamp, loudness]) => {
      const half = Math.max(0.6, 0.48 * voiceHeight * loudness);
      pen.fillRect(at(stamp), middle - half, step, 2 * half);
    });
    if (!hasWords && isCamera) {
      pen.fillStyle = soft;
      pen.font = '12px ' + FONT;
      pen.fillText(clip(pen, 'no words: start mmer live with --transcribe MODEL', plot - 8), gutter + 4, LANES[1][1] + LANES[1][2] / 2 + 4);
    }
    [...state.spoken.values()].forEach((each) => drawUtterance(pen, each, at, gutter));
    pen.restore();
  };
  const drawUtterance = (pen, each, at, gutter) => {
    const x0 = at(each.start), x1 = Math.max(at(each.end), x0 + 4);
    if (x1 < gutter) return;
    const left = Math.max(x0, gutter), [, wordsTop, wordsHeight] = LANES[1], [, top, height] = LANES[2];
    if (each.transcript) {
      pen.font = '12px ' + FONT;
      const text = clip(pen, each.transcript, Math.max(0, x1 - left - 14));
      pen.strokeStyle = colour('--line');
      pen.fillStyle = colour('--card');
      pen.beginPath();
      pen.roundRect(left + 1, wordsTop + 6, Math.max(8, x1 - left - 2), wordsHeight - 12, 7);
      pen.fill();
      pen.stroke();
      pen.fillStyle = colour('--text');
      pen.fillText(text, left + 8, wordsTop + wordsHeight / 2 + 4);
    }
    const [fillColour, inkColour] = tints[each.label];
    pen.globalAlpha = each.final ? 1 : 0.55;
    pen.fillStyle = fillColour;
    pen.beginPath();
    pen.roundRect(x0, top, x1 - x0, height, 6);
    pen.fill();
    pen.globalAlpha = 1;
    pen.font = '600 12px ' + FONT;
    pen.fillStyle = each.final ? inkColour : colour('--text');
    const fits = [`${each.label} ${percent(each.confidence)}`, each.label, each.label.slice(0, 3)].find(
      (words) => pen.measureText(words).width <= x1 - left - 10);
    if (fits) pen.fillText(fits, left + 6, top + height / 2 + 4);
  };
  const draw = () => {
    if (isCamera) drawBoxes();
    drawLanes();
    if (state.latest) id('state').textContent = stage(state.latest);
    setTimeout(() => requestAnimationFrame(draw), 125);
  };

  // ------------------------------------------------------------------------------------ begin
  document.querySelector('.big').classList.add('idle');
  if (isCamera) {
    id('start').onclick = () => (state.on ? stop() : start());
    id('reset').onclick = () => { command({type: 'reset'}); report('reset', 'What was said before is forgotten.'); };
    id('record').onclick = () => command({type: 'record', on: !state.isRecording});
    for (const name of ['camera', 'microphone']) id(name).onchange = async () => { if (state.on) { stop(); await start(); } };
    document.addEventListener('visibilitychange', () => {
      if (state.on && document.hidden) report('hidden', 'This tab was in the background; browsers then send fewer pictures.');
    });
    if (navigator.mediaDevices) navigator.mediaDevices.ondevicechange = () => { if (state.on) listDevices(); };
  }
  const lack = missing();
  if (lack) notify(lack + '; use a current Chrome, Edge, Firefox or Safari.');
  if ('WebSocket' in window) {
    connect(false);
    setInterval(watchConnection, 1000);
  }
  draw();
})();
