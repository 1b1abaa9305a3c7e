Feature: Counting from a shell
  Each command prints the new value and nothing else, so that scripts can use it; whatever is for people goes to
  stderr, and the exit code says how it went.

  Scenario: Up, down, to a value and back
    When I type "tally inc visits; tally inc visits 9; tally dec visits 3; tally set visits -5; tally reset visits"
    Then it prints "1, 10, 7, -5, 0"
    And it ends with exit code 0

  Scenario: Counting once under a request id
    When I type "tally inc orders 5 --request-id order-17; tally inc orders 5 --request-id order-17"
    Then it prints "5, 5"
    And it says "nothing was changed now"
    And "orders" is 5

  Scenario: A bound
    Given a counter "seats" with
      | maximum | 2 |
    When I type "tally inc seats 3"
    Then it prints nothing
    And it says "0 + 3 is above the maximum 2; the value stays 0."
    And it ends with exit code 4

  Scenario: What a counter is to be, if it is missing
    When I type "tally inc mails:bob 3 --if-missing max=5; tally inc mails:bob 3 --if-missing max=5"
    Then it prints "3"
    And it says "3 + 3 is above the maximum 5; the value stays 3."
    And it ends with exit code 4
    When I type "tally set mails:eve 1 --if-missing max=5 --if-missing initial=6"
    Then it says "mails:eve: --if-missing initial 6 is outside the bounds -2^63 to 5; nothing was changed."
    And there is no counter "mails:eve"

  Scenario: A counter that is missing
    When I type "tally dec stock"
    Then it says "There is no counter stock. Make it with: tally create stock"
    And it ends with exit code 3

  Scenario: A mistyped command
    When I type "tally incc visits"
    Then it says "unknown command 'incc' (Did you mean inc?)"
    And it ends with exit code 2
