"""The field's vocabulary in English and Korean: the single source of the glossary and of the check for synonyms.

Each term has one name in each language, a one-line gloss, the other names that textbooks use, the page on which it is
defined, and the words that must not be used in its place. `viz/glossary.py` shows it on the pages; a test goes over both
catalogues, the networks' cards and the components' words.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """A term of the field.

    Attributes:
        name: by language ("en", "ko").
        gloss: one line that says what it is, by language.
        also: other names in use, by language.
        page: the page (its name in the address) that shows what it is.
        forbidden: regular expressions, by language, of what must not stand for it.
    """

    name: dict[str, str]
    gloss: dict[str, str]
    also: dict[str, tuple[str, ...]]
    page: str
    forbidden: dict[str, tuple[str, ...]]


def _term(
    en: str,
    ko: str,
    gloss_en: str,
    gloss_ko: str,
    page: str,
    *,
    also: tuple[tuple[str, ...], tuple[str, ...]] = ((), ()),
    forbidden: tuple[tuple[str, ...], tuple[str, ...]] = ((), ()),
) -> Term:
    """Return a term; pairs are (English, Korean)."""
    return Term(
        {"en": en, "ko": ko},
        {"en": gloss_en, "ko": gloss_ko},
        {"en": also[0], "ko": also[1]},
        page,
        {"en": forbidden[0], "ko": forbidden[1]},
    )


TERMS = (
    _term(
        "time step",
        "시점",
        "One position of the sequence: the network takes one input x_t and computes one state h_t.",
        "시퀀스의 한 위치예요. 신경망이 입력 x_t 하나를 받아 상태 h_t 하나를 계산해요.",
        "step",
        also=(("timestep", "step t"), ("타임스텝", "시각", "time step")),
        forbidden=((), (r"\d\}?단계", r"단계마다", r"번째 단계", r"단계의 상태")),
    ),
    _term(
        "hidden state",
        "은닉 상태",
        "The vector h_t that a recurrent layer outputs at a time step and takes back in at the next one.",
        "순환층이 시점마다 출력하고 다음 시점에 다시 입력받는 벡터 h_t예요.",
        "step",
        also=(("h_t", "hidden activation"), ("h_t", "hidden state")),
    ),
    _term(
        "cell state",
        "셀 상태",
        "The LSTM's memory c_t: kept by the forget gate, added to by the input gate.",
        "LSTM의 기억 c_t예요. 망각 게이트가 유지하고 입력 게이트가 더해요.",
        "step",
        also=(("memory cell", "c_t", "C_t"), ("기억 셀", "장기 상태", "C_t")),
        forbidden=((r"\bcell line\b", r"\bmemory line\b"), (r"셀 선",)),
    ),
    _term(
        "forget gate",
        "망각 게이트",
        "f_t in (0, 1): the share of the previous cell state that is kept. 1 keeps all of it, 0 erases it.",
        "0과 1 사이의 값 f_t예요. 이전 셀 상태를 얼마나 남길지 정해요. 1이면 모두 남기고 0이면 지워요.",
        "step",
        also=(("f_t",), ("삭제 게이트", "forget 게이트")),
    ),
    _term(
        "input gate",
        "입력 게이트",
        "i_t in (0, 1): the share of the candidate that is added to the cell state.",
        "0과 1 사이의 값 i_t예요. 후보 값을 셀 상태에 얼마나 더할지 정해요.",
        "step",
        also=(("i_t", "write gate"), ("input 게이트",)),
    ),
    _term(
        "output gate",
        "출력 게이트",
        "o_t in (0, 1): the share of tanh(c_t) that becomes the hidden state.",
        "0과 1 사이의 값 o_t예요. tanh(c_t)를 은닉 상태로 얼마나 내보낼지 정해요.",
        "step",
        also=(("o_t", "read gate"), ("output 게이트",)),
    ),
    _term(
        "candidate",
        "후보 값",
        "g_t (LSTM) or n_t (GRU): the new content, a tanh value between −1 and 1. −1 is a strong negative value, not little information.",
        "새로 기억할 내용 g_t(LSTM) 또는 n_t(GRU)예요. −1과 1 사이의 tanh 값이고, −1은 정보가 적다는 뜻이 아니라 큰 음수예요.",
        "step",
        also=(("cell input", "new memory", "g_t", "n_t"), ("새로운 기억", "셀 입력", "g_t", "n_t")),
    ),
    _term(
        "reset gate",
        "리셋 게이트",
        "r_t of the GRU: how much of the previous hidden state enters the candidate.",
        "GRU의 r_t예요. 이전 은닉 상태를 후보 값에 얼마나 반영할지 정해요.",
        "step",
        also=(("r_t",), ("재설정 게이트",)),
    ),
    _term(
        "update gate",
        "업데이트 게이트",
        "z_t of the GRU. Here, as in PyTorch, z = 1 keeps the old state: h = (1 − z) n + z h₋₁. Other books swap z and 1 − z.",
        "GRU의 z_t예요. 여기서는 PyTorch처럼 z = 1이면 이전 상태를 유지해요: h = (1 − z) n + z h₋₁. z와 1 − z를 바꿔 쓰는 책도 있어요.",
        "step",
        also=(("z_t",), ("갱신 게이트",)),
    ),
    _term(
        "pre-activation",
        "활성화 전 값",
        "The sum W x + U h + b before the activation function; a gate is saturated where its size is large.",
        "활성화 함수를 지나기 전의 합 W x + U h + b예요. 크기가 크면 게이트가 포화돼요.",
        "step",
        also=(("net input", "logit of a gate", "preactivation"), ("가중합", "순입력")),
    ),
    _term(
        "sigmoid",
        "시그모이드",
        "σ(x) = 1 / (1 + e^(−x)): maps any number to (0, 1); the activation of gates.",
        "σ(x) = 1 / (1 + e^(−x))예요. 어떤 수든 0과 1 사이로 바꿔요. 게이트의 활성화 함수예요.",
        "step",
        also=(("logistic function", "σ"), ("로지스틱 함수", "σ")),
    ),
    _term(
        "element-wise product",
        "원소별 곱",
        "⊙: multiplies two vectors entry by entry; unit k of one only meets unit k of the other. It is not the dot product.",
        "⊙ 기호예요. 두 벡터의 같은 자리 원소끼리 곱해요. 내적과는 달라요.",
        "step",
        also=(("Hadamard product", "⊙"), ("아다마르 곱", "⊙")),
    ),
    _term(
        "hidden layer",
        "은닉층",
        "A layer between input and output; here, the recurrent layer.",
        "입력층과 출력층 사이의 층이에요. 여기서는 순환층이에요.",
        "step",
        also=((), ("hidden layer",)),
    ),
    _term(
        "recurrent layer",
        "순환층",
        "A layer that feeds its own previous state back in: RNN, LSTM or GRU.",
        "자기의 이전 상태를 다시 입력받는 층이에요. RNN, LSTM, GRU가 있어요.",
        "step",
        also=(("RNN layer",), ("RNN 계층", "순환 계층")),
        forbidden=((), (r"순환 층",)),
    ),
    _term(
        "vanilla RNN",
        "바닐라 RNN",
        "The simplest recurrent cell: h_t = tanh(W x_t + U h_{t−1} + b), without gates.",
        "가장 단순한 순환 셀이에요: h_t = tanh(W x_t + U h_{t−1} + b). 게이트가 없어요.",
        "step",
        also=(("simple RNN", "Elman network"), ("단순 RNN", "SimpleRNN")),
    ),
    _term(
        "unit",
        "유닛",
        "One entry of a layer's state vector, with its own row of weights.",
        "층의 상태 벡터에서 원소 하나예요. 유닛마다 가중치 행이 하나씩 있어요.",
        "states",
        also=(("neuron", "hidden dimension"), ("뉴런", "차원")),
    ),
    _term(
        "token",
        "토큰",
        "One symbol of the input sequence: a character, a word, or a number.",
        "입력 시퀀스의 한 단위예요. 글자, 단어 또는 수예요.",
        "step",
        also=(("symbol", "input"), ("단어", "문자")),
    ),
    _term(
        "vocabulary",
        "어휘",
        "All tokens that a network knows; any other becomes the unknown token.",
        "신경망이 아는 모든 토큰이에요. 그 밖의 토큰은 모르는 토큰으로 바뀌어요.",
        "step",
        also=((), ("단어 집합", "어휘 집합")),
    ),
    _term(
        "output layer",
        "출력층",
        "The linear layer that turns a hidden state into scores (logits), one per class or token.",
        "은닉 상태를 점수(로짓)로 바꾸는 선형 층이에요. 클래스나 토큰마다 점수가 하나씩 나와요.",
        "step",
        also=(("readout", "head", "projection"), ("Affine 계층", "완전 연결층")),
    ),
    _term(
        "softmax",
        "소프트맥스",
        "Turns scores into probabilities that sum to 1: e^(s_k) / Σ e^(s_j).",
        "점수를 합이 1인 확률로 바꿔요: e^(s_k) / Σ e^(s_j).",
        "step",
    ),
    _term(
        "surprisal",
        "서프라이절",
        "−log₂ p of what really came, in bits: 1 bit means it had probability 1/2, 10 bits about 1/1000.",
        "실제로 나온 것의 −log₂ p예요. 단위는 비트예요. 1비트는 확률 1/2, 10비트는 약 1/1000이에요.",
        "step",
        also=(("self-information", "surprise"), ("정보량", "놀람의 정도")),
        forbidden=((r"\bsurprise in bits\b",), (r"놀라움", r"놀람")),
    ),
    _term(
        "cross-entropy",
        "교차 엔트로피",
        "The mean of −ln p of the true tokens; the usual loss, in nats. 1 nat = 1.44 bits.",
        "정답 토큰의 −ln p의 평균이에요. 보통 쓰는 손실이고 단위는 내트예요. 1내트 = 1.44비트예요.",
        "gradients",
        also=(("negative log-likelihood",), ("음의 로그 가능도", "크로스 엔트로피")),
    ),
    _term(
        "perplexity",
        "퍼플렉서티",
        "2 to the mean surprisal: among how many equally probable tokens the network would have to choose.",
        "2의 (평균 서프라이절) 제곱이에요. 확률이 같은 토큰 몇 개 중에서 고르는 것과 같은지 나타내요.",
        "step",
        also=((), ("혼란도", "PPL")),
    ),
    _term(
        "gradient",
        "기울기",
        "The derivative of the loss with respect to a state or weight: how much the loss changes when it changes a little.",
        "상태나 가중치가 조금 바뀔 때 손실이 얼마나 바뀌는지 나타내는 미분값이에요.",
        "gradients",
        also=((), ("그래디언트", "경사")),
    ),
    _term(
        "backpropagation",
        "역전파",
        "Computes the gradients from the loss backwards by the chain rule; through an unrolled network: through time (BPTT).",
        "손실에서부터 거꾸로 연쇄 법칙으로 기울기를 계산해요. 펼친 신경망에서는 시간을 거슬러 계산해요(BPTT).",
        "gradients",
        also=(("backprop", "BPTT", "backward pass"), ("오차역전파", "BPTT")),
        forbidden=((r"\bgoing back\b", r"\bgoes back through\b"), (r"거슬러 가", r"되돌려 보내")),
    ),
    _term(
        "vanishing gradient",
        "기울기 소실",
        "The gradient shrinks with every time step it goes back; below 10⁻³ of the last one, hardly anything is learned.",
        "기울기가 역전파되는 시점마다 작아지는 현상이에요. 마지막 시점의 10⁻³배보다 작으면 거의 학습되지 않아요.",
        "gradients",
        also=((), ("기울기 사라짐", "vanishing gradient")),
    ),
    _term(
        "exploding gradient",
        "기울기 폭발",
        "The gradient grows with every time step it goes back, up to infinity or NaN; clipping limits it.",
        "기울기가 역전파되는 시점마다 커지는 현상이에요. 무한대나 NaN이 되기도 해요. 클리핑으로 제한해요.",
        "gradients",
        also=((), ("exploding gradient",)),
    ),
    _term(
        "long-term dependency",
        "장기 의존성",
        "An output depends on an input many time steps earlier; hard to learn where gradients vanish.",
        "출력이 여러 시점 전의 입력에 의존하는 것이에요. 기울기가 소실되면 학습하기 어려워요.",
        "gradients",
        also=(("long-range dependency",), ("장기 의존성 문제",)),
    ),
    _term(
        "derivative",
        "미분값",
        "How fast an output changes with its input, e.g. σ′ = σ(1 − σ) ≤ 0.25.",
        "입력이 변할 때 출력이 얼마나 빨리 변하는지예요. 예: σ′ = σ(1 − σ) ≤ 0.25.",
        "gradients",
        also=(("slope",), ("도함수의 값",)),
        forbidden=((), (r"도함수",)),
    ),
    _term(
        "Jacobian",
        "야코비 행렬",
        "∂s_t/∂s_{t−1}: the matrix that a gradient is multiplied by at every time step of backpropagation.",
        "∂s_t/∂s_{t−1}이에요. 역전파할 때 시점마다 기울기에 곱해지는 행렬이에요.",
        "gradients",
        also=(("Jacobian matrix",), ("자코비안",)),
    ),
    _term(
        "norm",
        "노름",
        "The length of a vector: √(Σ v²).",
        "벡터의 길이예요: √(Σ v²).",
        "gradients",
        also=(("L2 norm", "magnitude"), ("크기", "L2 노름")),
    ),
    _term(
        "singular value",
        "특잇값",
        "By how much a matrix stretches a direction; all below 1: every gradient shrinks.",
        "행렬이 어떤 방향을 몇 배로 늘리는지예요. 모두 1보다 작으면 기울기는 줄기만 해요.",
        "gradients",
        also=((), ("특이값",)),
    ),
    _term(
        "spectral radius",
        "스펙트럼 반지름",
        "The largest |eigenvalue| of W_hh: the growth of repeated products in a vanilla RNN. In LSTM and GRU the gates take part.",
        "W_hh의 고윳값 중 가장 큰 절댓값이에요. 바닐라 RNN에서 거듭 곱할 때의 증가율이에요. LSTM·GRU에서는 게이트도 함께 작용해요.",
        "gradients",
        also=((), ("스펙트럴 반경",)),
    ),
    _term(
        "gradient clipping",
        "기울기 클리핑",
        "Multiplies the whole gradient by one factor so that its norm does not exceed a threshold.",
        "기울기 전체에 같은 배율을 곱해서 노름이 문턱값을 넘지 않게 해요.",
        "gradients",
        also=((), ("그래디언트 클리핑", "기울기 자르기")),
    ),
    _term(
        "saturation",
        "포화",
        "A gate near 0 or 1 (a tanh near ±1): its derivative is near 0, so its own weights hardly get a gradient.",
        "게이트가 0이나 1에(tanh는 ±1에) 가까운 상태예요. 미분값이 0에 가까워서 그 게이트의 가중치는 기울기를 거의 받지 못해요.",
        "states",
        forbidden=((), (r"꼼짝 못",)),
    ),
    _term(
        "half-life",
        "반감기",
        "After how many time steps half of a cell state is left, by the forget gates alone.",
        "망각 게이트만 볼 때 셀 상태가 절반으로 줄기까지 걸리는 시점 수예요.",
        "states",
    ),
    _term(
        "principal component",
        "주성분",
        "A direction in which the states vary most; two of them span the plane that is drawn.",
        "상태가 가장 크게 변하는 방향이에요. 그림은 그중 두 방향의 평면이에요.",
        "states",
        also=(("PCA",), ("PCA", "주성분 분석")),
    ),
    _term(
        "correlation",
        "상관계수",
        "r between −1 and 1: how well a unit's values follow a property; r² is the share of variance explained.",
        "−1과 1 사이의 r이에요. 유닛의 값이 어떤 성질과 얼마나 함께 변하는지 나타내요. r²은 설명되는 분산의 비율이에요.",
        "states",
        also=(("Pearson's r",), ("피어슨 상관계수",)),
    ),
    _term(
        "encoder–decoder",
        "인코더–디코더",
        "One network takes in the whole input, another generates the output from what the first one passes on.",
        "한 신경망이 입력 전체를 받고, 다른 신경망이 그 결과로 출력을 생성해요.",
        "attention",
        also=(("sequence-to-sequence", "seq2seq"), ("시퀀스-투-시퀀스", "seq2seq")),
    ),
    _term(
        "attention weight",
        "어텐션 가중치",
        "The share of an input position in the context vector; the weights of one output step sum to 1.",
        "컨텍스트 벡터에서 입력 위치 하나가 차지하는 비율이에요. 출력 시점마다 합이 1이에요.",
        "attention",
        also=(("alignment weight",), ("정렬 가중치", "어텐션 분포")),
    ),
    _term(
        "attention score",
        "어텐션 점수",
        "How well a query matches a key, before softmax turns the scores into weights.",
        "쿼리와 키가 얼마나 맞는지예요. 소프트맥스를 지나면 어텐션 가중치가 돼요.",
        "attention",
        also=(("energy", "alignment score"), ("어텐션 스코어",)),
    ),
    _term(
        "context vector",
        "컨텍스트 벡터",
        "The sum of the encoder states, each times its attention weight; without attention: the encoder's last state.",
        "인코더 상태에 어텐션 가중치를 곱해 더한 벡터예요. 어텐션이 없으면 인코더의 마지막 상태예요.",
        "attention",
        also=(("context",), ("문맥 벡터",)),
    ),
    _term(
        "query",
        "쿼리",
        "What asks: in RNN attention, the decoder state of this output step.",
        "비교의 기준이 되는 벡터예요. RNN 어텐션에서는 지금 출력 시점의 디코더 상태예요.",
        "attention",
        also=(("Q",), ("Q", "질의")),
    ),
    _term(
        "key",
        "키",
        "What the query is compared with: in RNN attention, the encoder states.",
        "쿼리와 비교하는 벡터예요. RNN 어텐션에서는 인코더 상태예요.",
        "attention",
        also=(("K",), ("K",)),
    ),
    _term(
        "value",
        "값(밸류)",
        "What is summed with the attention weights: in RNN attention, again the encoder states.",
        "어텐션 가중치를 곱해 더하는 벡터예요. RNN 어텐션에서는 역시 인코더 상태예요.",
        "attention",
        also=(("V",), ("V", "밸류")),
    ),
    _term(
        "dot attention",
        "내적 어텐션",
        "Luong's dot score: sᵀ h.",
        "루옹(Luong)의 내적 점수예요: sᵀ h.",
        "attention",
        also=(("Luong dot", "dot-product attention"), ("닷-프로덕트 어텐션", "루옹 어텐션")),
    ),
    _term(
        "general attention",
        "general(제너럴) 어텐션",
        "Luong's general score: sᵀ W h.",
        "루옹(Luong)의 general 점수예요: sᵀ W h.",
        "attention",
        also=(("Luong general", "bilinear attention"), ("루옹 general",)),
        forbidden=((), (r"일반 어텐션",)),
    ),
    _term(
        "additive attention",
        "덧셈 어텐션",
        "Bahdanau's score: vᵀ tanh(W s + U h). Here the query is the current decoder state, as in Luong's arrangement.",
        "바다나우(Bahdanau)의 점수예요: vᵀ tanh(W s + U h). 여기서는 루옹의 방식처럼 지금 디코더 상태가 쿼리예요.",
        "attention",
        also=(("Bahdanau attention", "concat attention"), ("바다나우 어텐션", "concat 어텐션")),
    ),
    _term(
        "self-attention",
        "셀프 어텐션",
        "Attention whose queries, keys and values come from the same sequence.",
        "쿼리, 키, 값이 모두 같은 시퀀스에서 나오는 어텐션이에요.",
        "attention",
        also=(("intra-attention",), ("자기 어텐션",)),
    ),
    _term(
        "masked self-attention",
        "마스크드 셀프 어텐션",
        "Self-attention of the decoder: later positions are masked, a position sees itself and those before.",
        "디코더의 셀프 어텐션이에요. 이후 위치는 마스킹하고, 자신과 이전 위치만 참조해요.",
        "attention",
        also=(("causal self-attention",), ("인과적 셀프 어텐션",)),
    ),
    _term(
        "cross-attention",
        "크로스 어텐션",
        "Queries from the decoder, keys and values from the encoder.",
        "쿼리는 디코더에서, 키와 값은 인코더에서 나오는 어텐션이에요.",
        "attention",
        also=(("encoder–decoder attention",), ("인코더–디코더 어텐션",)),
    ),
    _term(
        "beam search",
        "빔 서치",
        "Keeps the most probable partial outputs (as many as the beam width) instead of one.",
        "가장 확률이 높은 부분 출력을 빔 너비만큼 유지하면서 탐색해요.",
        "attention",
        also=((), ("빔 탐색",)),
    ),
    _term(
        "temperature",
        "온도",
        "Divides the scores before softmax: below 1 sharpens the distribution, above 1 flattens it.",
        "소프트맥스 앞에서 점수를 나누는 값이에요. 1보다 작으면 분포가 뾰족해지고 크면 평평해져요.",
        "attention",
    ),
    _term(
        "bidirectional",
        "양방향",
        "Two layers over the same sequence, one forward, one backward in time; their outputs are joined.",
        "같은 시퀀스를 정방향과 역방향으로 처리하는 두 층이에요. 출력을 이어 붙여요.",
        "attention",
        also=(("BiRNN", "BiLSTM"), ("양방향 RNN", "BiLSTM")),
    ),
    _term(
        "weight tying",
        "가중치 공유",
        "One matrix serves as the embedding and as the output layer.",
        "임베딩과 출력층이 같은 행렬을 쓰는 것이에요.",
        "checkpoint",
        also=(("tied weights",), ("tied embedding",)),
    ),
    _term(
        "parameter",
        "매개변수",
        "A number that training adjusts: an entry of a weight matrix or a bias.",
        "학습으로 조정되는 값이에요. 가중치 행렬이나 편향의 원소예요.",
        "checkpoint",
        also=(("weight",), ("파라미터",)),
    ),
    _term(
        "padding",
        "패딩",
        "Fills short sequences up to one length; a mask keeps the padding out of the result.",
        "짧은 시퀀스를 같은 길이로 채우는 것이에요. 마스크를 쓰면 결과에 영향을 주지 않아요.",
        "states",
        also=(("pad_sequences",), ("패딩 토큰",)),
    ),
    _term(
        "test data",
        "테스트 데이터",
        "Data that the network never saw in training; what it does there is what it has really learned.",
        "학습에 쓰지 않은 데이터예요. 여기서의 성능이 실제로 학습한 것이에요.",
        "states",
        also=(("held-out data", "validation set"), ("검증 데이터", "홀드아웃")),
    ),
)  # fmt: skip
"""Every term, in the order in which a beginner meets them."""


@dataclass(frozen=True)
class Notation:
    """One row of the bridge between a textbook's symbols and PyTorch's.

    Attributes:
        textbook: LaTeX, as lecture notes write it.
        pytorch: LaTeX, as it is drawn here and in PyTorch's documentation.
        meaning: by language.
    """

    textbook: str
    pytorch: str
    meaning: dict[str, str]


NOTATION = (
    Notation(r"W_{xf},\ W_{hf}", r"W_{if},\ W_{hf}", {
        "en": "Weights of the forget gate from the input and from the previous hidden state; the same for i, g, o.",
        "ko": "망각 게이트의 입력 가중치와 순환 가중치예요. i, g, o도 마찬가지예요.",
    }),
    Notation(r"b_f", r"b_{if} + b_{hf}", {
        "en": "PyTorch has two biases per gate (cuDNN's layout); only their sum matters, except in the GRU's candidate.",
        "ko": "PyTorch는 (cuDNN의 구조를 따라) 게이트마다 편향이 두 개예요. GRU의 후보 값만 빼면 둘의 합만 의미가 있어요.",
    }),
    Notation(r"C_t", r"c_t", {"en": "cell state", "ko": "셀 상태(기억 셀)"}),
    Notation(r"\tilde{C}_t,\ g", r"g_t", {"en": "candidate of the LSTM", "ko": "LSTM의 후보 값"}),
    Notation(r"\tilde{h}_t", r"n_t", {"en": "candidate of the GRU", "ko": "GRU의 후보 값"}),
    Notation(r"h_t = (1 - z_t) \odot h_{t-1} + z_t \odot \tilde{h}_t", r"h_t = (1 - z_t) \odot n_t + z_t \odot h_{t-1}", {
        "en": "The GRU's update gate: here, as in PyTorch, z = 1 keeps the old state; other books swap z and 1 − z.",
        "ko": "GRU의 업데이트 게이트예요. 여기서는 PyTorch처럼 z = 1이면 이전 상태를 유지해요. z와 1 − z를 바꿔 쓰는 책도 있어요.",
    }),
    Notation(r"W h_{t-1} + U x_t", r"W_{hh} h_{t-1} + W_{ih} x_t", {
        "en": "PyTorch's names: hh for hidden to hidden, ih for input to hidden.",
        "ko": "PyTorch의 이름이에요. hh는 은닉에서 은닉으로, ih는 입력에서 은닉으로 가는 가중치예요.",
    }),
    Notation(r"Q,\ K,\ V", r"s_t,\ h_{1..T},\ h_{1..T}", {
        "en": "RNN attention: the query is the decoder state, keys and values are the encoder states.",
        "ko": "RNN 어텐션에서 쿼리는 디코더 상태이고, 키와 값은 인코더 상태예요.",
    }),
)  # fmt: skip
"""Symbols of textbooks and lecture notes beside those of the pages."""


FORBIDDEN = {
    "en": (
        r"\bshut\b", r"\bhands? on\b", r"\btint\w*", r"\bink\b", r"\bteach\w*", r"\bgradients? by\b", r"\bis no\b(?! longer)",
        r"\bholds? no\b", r"\bthe hand\b", r"\bpaid\b", r"\bpays\b", r"\bspeaks? (?:for|of)\b", r"\bno valves?\b",
    ),
    "ko": (
        r"잉크", r"네트워크", r"플레이어", r"견주", r"머리글", r"머리 부분", r"두리번", r"붙잡", r"놀람", r"놀라움",
        r"은\(는\)", r"이\(가\)", r"을\(를\)", r"와\(과\)", r"과\(와\)", r"\(으\)로",
    ),
}  # fmt: skip
"""Words of no term in particular that are not used on any page, by language, as regular expressions."""


def forbidden_in(text: str, lang: str) -> list[str]:
    """Return the forbidden words that occur in ``text``, a string of language ``lang``."""
    patterns = [*FORBIDDEN[lang], *(each for term in TERMS for each in term.forbidden[lang])]
    return [found[0] for pattern in patterns if (found := re.search(pattern, text, re.IGNORECASE))]
