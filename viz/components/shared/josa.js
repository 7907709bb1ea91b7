// Korean particles after a value, as viz/josa.py chooses them: "{name:은}" becomes "l0은" for l0 and "gru는" for gru.
window.unrolled ??= {};
window.unrolled.withParticle ??= (() => {
  // The form after a final consonant -> the form after a vowel.
  const AFTER_VOWEL = {
    은: "는", 이: "가", 을: "를", 과: "와", 으로: "로", 이에요: "예요", 이라고: "라고", 이라는: "라는", 이라: "라", 이라서: "라서",
    이라면: "라면", 이나: "나", 이며: "며", 이어야: "여야",
  };
  const DIGITS = "영일이삼사오육칠팔구";
  const SYMBOLS = { "%": "트", "∞": "대", "°": "도", "²": "곱", "³": "곱", σ: "마", λ: "다", θ: "타" };
  const SILENT = /[\s"'“”‘’«»„`´()[\]{}<>*_~.,:;!?…–—\\|/-]+$/u;
  const RIEUL = 8; // the index of ㄹ among the final consonants (Unicode, section 3.12)

  // The index of the final consonant at the end of the reading of a value; 0 for a vowel.
  function finalConsonant(value) {
    const spoken = value.replace(SILENT, "");
    const last = [...spoken].at(-1) ?? "";
    if (last >= "가" && last <= "힣") return (last.codePointAt(0) - 0xac00) % 28;
    const syllable = /[0-9]/.test(last) ? DIGITS[Number(last)] : SYMBOLS[last];
    if (syllable) return (syllable.codePointAt(0) - 0xac00) % 28;
    const [word] = spoken.match(/[A-Za-z]+$/) ?? [""];
    if (/[lr]$/i.test(word)) return /l$/i.test(word) || isSpelled(word) ? RIEUL : 0;
    return /([mn]|ng)$/i.test(word) ? 16 : 0;
  }

  const isSpelled = (word) => word.length === 1 || word === word.toUpperCase() || !/[aeiouy]/i.test(word);

  return (value, particle) => {
    const final = finalConsonant(value);
    const closed = particle === "으로" ? final && final !== RIEUL : final;
    return value + (closed ? particle : AFTER_VOWEL[particle] ?? particle);
  };
})();
