(() => {
  const id = (name) => document.getElementById(name);
  const tip = id('tip'), chart = id('chart'), cursor = id('cursor');
  document.body.className = '';
  document.querySelectorAll('[title]').forEach((node) => {
    node.dataset.tip = node.title;
    if (!node.textContent.trim()) node.setAttribute('aria-label', node.title);
    node.removeAttribute('title');
  });
  const show = (node, x, y) => {
    tip.textContent = node.dataset.tip;
    if (node.tagName === 'IMG') {
      tip.append(Object.assign(new Image(node.naturalWidth, node.naturalHeight), {src: node.src}));
    }
    tip.style.display = 'block';
    const box = tip.getBoundingClientRect();
    const below = y + 18 + box.height < innerHeight;
    tip.style.left = Math.max(6, Math.min(x + 12, innerWidth - box.width - 6)) + 'px';
    tip.style.top = Math.max(6, below ? y + 18 : y - box.height - 12) + 'px';
  };
  const hide = () => { tip.style.display = 'none'; };
  addEventListener('mousemove', (event) => {
    const node = event.target.closest && event.target.closest('[data-tip]');
    if (node) show(node, event.clientX, event.clientY); else hide();
  });
  addEventListener('scroll', () => {
    const node = document.activeElement, shown = node && node.matches('[data-tip]:focus-visible');
    if (!shown) { hide(); return; }
    const box = node.getBoundingClientRect();
    show(node, box.left, box.bottom);
  }, true);
  addEventListener('focusin', (event) => {
    const node = event.target.closest('[data-tip]');
    if (!node || !node.matches(':focus-visible')) return;
    const box = node.getBoundingClientRect();
    show(node, box.left, box.bottom);
  });
  addEventListener('focusout', hide);
  const blocks = chart ? timeline() : [], center = (node) => {
    const box = node.getBoundingClientRect(), view = id('view'), seen = view.getBoundingClientRect();
    view.scrollLeft += box.left + box.width / 2 - seen.left - seen.width / 2;
  };
  const list = id('list');
  if (list) {
    const rows = [...list.tBodies[0].rows], search = id('search'), wrong = id('marked'), found = id('found');
    const images = new Map([...document.querySelectorAll('img[data-of]')].map((image) => [image.dataset.of, image]));
    if (images.size) {
      const head = document.createElement('th');
      head.textContent = 'Picture';
      list.tHead.rows[0].insertBefore(head, list.tHead.rows[0].cells[1]);
      rows.forEach((row) => {
        const cell = row.insertCell(1), image = images.get(row.id);
        if (!image) return;
        const copy = new Image();
        copy.loading = 'lazy';
        copy.decoding = 'async';
        copy.alt = image.alt;
        copy.dataset.tip = image.dataset.tip || '';
        copy.src = image.src;
        cell.append(copy);
      });
    }
    const narrow = () => {
      const words = search.value.toLowerCase();
      let count = 0;
      rows.forEach((row) => {
        const fits = (!wrong || !wrong.checked || row.classList.contains('marked')) &&
          (!words || row.textContent.toLowerCase().includes(words));
        row.hidden = !fits;
        count += fits;
      });
      found.textContent = count < rows.length ? count + ' of ' + rows.length : '';
    };
    search.addEventListener('input', narrow);
    if (wrong) wrong.addEventListener('change', narrow);
    list.addEventListener('click', (event) => {
      const row = event.target.closest('tbody tr');
      const block = row && blocks.find((each) => each.hash === '#' + row.id);
      if (block && !String(getSelection())) center(block);
    });
  }
  function timeline() {
    const plot = chart.querySelector('.axis .plot'), seconds = Number(chart.dataset.seconds);
    chart.addEventListener('mousemove', (event) => {
      const axis = plot.getBoundingClientRect(), home = chart.getBoundingClientRect();
      const part = (event.clientX - axis.left) / axis.width;
      cursor.style.display = part >= 0 && part <= 1 ? 'block' : 'none';
      cursor.style.left = event.clientX - home.left + 'px';
      cursor.firstChild.textContent = (part * seconds).toFixed(2) + ' s';
    });
    chart.addEventListener('mouseleave', () => { cursor.style.display = 'none'; });
    const view = id('view'), marker = id('window');
    const blocks = [...chart.querySelectorAll('a.block')].sort((a, b) => parseFloat(a.style.left) - parseFloat(b.style.left));
    const most = 180000;  // px of the plot, beyond which nothing more fits
    let zoom = 1;
    const follow = () => {
      const home = plot.getBoundingClientRect(), seen = view.getBoundingClientRect();
      const gutter = home.left - chart.getBoundingClientRect().left;
      marker.style.left = 100 * Math.max(0, seen.left + gutter - home.left) / home.width + '%';
      marker.style.width = 100 * Math.min(1, (view.clientWidth - gutter) / home.width) + '%';
    };
    const rescale = (factor) => {
      const middle = (view.scrollLeft + view.clientWidth / 2) / chart.clientWidth;
      const wide = Math.max(1, Math.min(16, most * zoom / chart.clientWidth));
      zoom = Math.max(1, Math.min(zoom * factor, 2 ** Math.floor(Math.log2(wide))));
      chart.style.setProperty('--zoom', zoom);
      id('scale').textContent = zoom + '×';
      view.scrollLeft = middle * chart.clientWidth - view.clientWidth / 2;
      follow();
    };
    let current = -1;
    const step = (by) => {
      if (!blocks.length) return;
      current = Math.max(0, Math.min(blocks.length - 1, current + by));
      blocks[current].focus({preventScroll: true});
      blocks[current].scrollIntoView({block: 'nearest', inline: 'center', behavior: 'instant'});
    };
    blocks.forEach((block, index) => {
      block.tabIndex = index ? -1 : 0;
      block.addEventListener('focus', () => { current = index; });
    });
    id('in').addEventListener('click', () => rescale(2));
    id('out').addEventListener('click', () => rescale(0.5));
    view.addEventListener('scroll', follow);
    addEventListener('resize', follow);
    view.addEventListener('keydown', (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const act = {'+': () => rescale(2), '=': () => rescale(2), '-': () => rescale(0.5),
        n: () => step(1), p: () => step(-1), Home: () => { view.scrollLeft = 0; },
        End: () => { view.scrollLeft = chart.clientWidth; }}[event.key];
      if (act) { act(); event.preventDefault(); }
    });
    const go = (event) => {
      const box = id('whole').getBoundingClientRect();
      const part = (event.clientX - box.left) / box.width;
      const home = plot.getBoundingClientRect(), start = home.left - chart.getBoundingClientRect().left;
      view.scrollLeft = start + part * home.width - view.clientWidth / 2;
    };
    id('whole').addEventListener('pointerdown', (event) => { go(event); id('whole').setPointerCapture(event.pointerId); });
    id('whole').addEventListener('pointermove', (event) => { if (event.buttons) go(event); });
    follow();
    if (!id('whole').parentElement.hidden) { rescale(2); view.scrollLeft = 0; }
    return blocks;
  }
})();
