// Cuts the microphone's sound into blocks of 50 ms, each with the frame that it begins at.
registerProcessor('capture', class extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Int16Array(Math.round(sampleRate / 20));
    this.filled = 0;
  }

  process([channels]) {
    if (!channels.length) return true;
    const [sound] = channels;
    let frame = currentFrame;
    for (const sample of sound) {
      this.block[this.filled++] = Math.max(-32768, Math.min(32767, Math.round(32767 * sample)));
      frame += 1;
      if (this.filled === this.block.length) {
        const full = this.block;
        this.block = new Int16Array(full.length);
        this.port.postMessage({frame: frame - full.length, sound: full}, [full.buffer]);
        this.filled = 0;
      }
    }
    return true;
  }
});
