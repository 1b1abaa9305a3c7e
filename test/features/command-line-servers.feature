Feature: Choosing a server from a shell

  Scenario: A server that is there
    When I type "tally ping -o value"
    Then it ends with exit code 0

  Scenario: A server that is away
    When I type "tally get visits --server 127.0.0.1:1"
    Then it prints nothing
    And it says "No Tally server answers at 127.0.0.1:1: nothing listens there. Start one with `tally serve`"
    And it ends with exit code 69

  Scenario: A server with a name
    Given a counter "visits" at 7
    When I type "export XDG_CONFIG_HOME=$(mktemp -d); tally config set here $TALLY_SERVER && tally get visits --context here; rm -r $XDG_CONFIG_HOME"
    Then it prints "7"

  Scenario: A name that no server has
    When I type "export XDG_CONFIG_HOME=/nonexistent; tally get visits --context nowhere"
    Then it says "There is no context nowhere"
    And it ends with exit code 78
